package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func scraped(t *testing.T, s *service) string {
	t.Helper()
	response, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestTargetIsExposed(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"devices":[{"device":"boiler","last_seen":"2026-11-18T11:06:41Z","readings":7}]}`)
	}))
	defer target.Close()
	s := start(t, "-target-url", target.URL)
	if got := scraped(t, s); !strings.Contains(got, `metrics_exporter_device_readings_total{device="boiler"} 7`) {
		t.Errorf("exposed %s", got)
	}
}

func TestWithoutATargetThereIsADemonstration(t *testing.T) {
	if got := scraped(t, start(t)); !strings.Contains(got, "metrics_exporter_devices 3\n") {
		t.Errorf("exposed %s", got)
	}
}

func TestListenerThatAsksForAPasswordIsHealthy(t *testing.T) {
	const file = "../../internal/config/testdata/web.yml"
	s := start(t, "-web-config-file", file)
	if output, err := program(t, "healthcheck", "-admin-addr", s.admin, "-web-config-file", file).Output(); err != nil {
		t.Errorf("ended with %d: %s", status(err), output)
	}
	output, err := program(t, "healthcheck", "-admin-addr", s.admin).Output()
	if status(err) != 1 || !strings.Contains(string(output), "401 Unauthorized") {
		t.Errorf("unasked, ended with %d: %s", status(err), output)
	}
}
