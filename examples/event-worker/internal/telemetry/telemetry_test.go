package telemetry

import (
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
)

func TestBuildIsAsTheLinkerSays(t *testing.T) {
	want := Build{Version: "v1.2.3", Revision: "abc", Go: runtime.Version()}
	if got := ReadBuild("v1.2.3", "abc"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBuildOutsideARepositoryIsADevelopmentBuild(t *testing.T) {
	if got := ReadBuild("", "").Version; got == "" {
		t.Error("there is no version")
	}
}

func TestBuildKnowsTheRevisionThatItWasMadeFrom(t *testing.T) {
	info := &debug.BuildInfo{
		Main: debug.Module{Version: "v1.2.4-0.20261118110641-0123456789ab"},
		Settings: []debug.BuildSetting{
			{Key: "vcs", Value: "git"},
			{Key: "vcs.revision", Value: "0123456789ab"},
		},
	}
	for given, want := range map[Build]Build{
		{}:                                   {Version: "v1.2.4-0.20261118110641-0123456789ab", Revision: "0123456789ab"},
		{Version: "v1.2.3", Revision: "abc"}: {Version: "v1.2.3", Revision: "abc"},
	} {
		if given.complete(info); given != want {
			t.Errorf("got %+v, want %+v", given, want)
		}
	}
}

func TestRegistryHasProcessRuntimeAndBuild(t *testing.T) {
	families, err := NewRegistry(Build{Version: "v1.2.3", Revision: "abc", Go: "go"}).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, family := range families {
		names = append(names, family.GetName())
	}
	for _, want := range []string{"go_goroutines", "process_start_time_seconds", "event_worker_build_info"} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no %s among %q", want, names)
		}
	}
}
