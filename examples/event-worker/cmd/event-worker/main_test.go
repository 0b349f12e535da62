package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// asProgram makes the test binary behave as the program does.
const asProgram = "TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

func program(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), executable, args...)
	command.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0", "ADMIN_ADDR=127.0.0.1:0")
	return command
}

// service is a program that serves.
type service struct {
	command *exec.Cmd
	output  io.Reader
	log     *bufio.Scanner
	admin   string
}

func start(t *testing.T, args ...string) *service {
	t.Helper()
	return await(t, program(t, args...))
}

// await starts a command and waits until it serves.
func await(t testing.TB, command *exec.Cmd) *service {
	t.Helper()
	s := launch(t, command)
	serving := s.next(t, "serving")
	s.admin = serving["admin"].(string)
	return s
}

// launch starts a command that may not come to serve.
func launch(t testing.TB, command *exec.Cmd) *service {
	t.Helper()
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	return &service{command: command, output: output, log: bufio.NewScanner(output)}
}

// next reads the log up to a message. Each line must be a JSON object.
func (s *service) next(t testing.TB, message string) map[string]any {
	t.Helper()
	for s.log.Scan() {
		var line map[string]any
		if err := json.Unmarshal(s.log.Bytes(), &line); err != nil {
			t.Fatalf("log line %q: %v", s.log.Text(), err)
		}
		if line["msg"] == message {
			return line
		}
	}
	t.Fatalf("the log ended before %q", message)
	return nil
}

func (s *service) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := s.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

func status(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return 0
}

func TestDrainEndsWithSuccess(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		s := start(t, "-drain-delay", "100ms")
		if err := program(t, "healthcheck", "-admin-addr", s.admin).Run(); err != nil {
			t.Errorf("the service is not healthy: %v", err)
		}
		s.signal(t, signal)
		want := map[string]string{"SIGTERM": "100ms", "SIGINT": "0s"}[name]
		if got := s.next(t, "draining")["delay"]; got != want {
			t.Errorf("%s drains after %v, want %s", name, got, want)
		}
		s.next(t, "stopped")
		if got := status(s.command.Wait()); got != 0 {
			t.Errorf("%s ends with %d", name, got)
		}
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	s := start(t, "-drain-delay", "1h")
	s.signal(t, syscall.SIGTERM)
	s.next(t, "draining")
	s.signal(t, syscall.SIGTERM)
	if got := status(s.command.Wait()); got != 128+int(syscall.SIGTERM) {
		t.Errorf("ended with %d", got)
	}
}

func TestPortThatIsTakenIsFatal(t *testing.T) {
	s := start(t)
	output, err := program(t, "-admin-addr", s.admin).Output()
	if got := status(err); got != 1 || !strings.Contains(string(output), "address already in use") {
		t.Errorf("ended with %d: %s", got, output)
	}
}

func TestInvalidConfigurationIsListed(t *testing.T) {
	output, err := program(t, "-drain-delay=-1s", "-max-in-flight=0").Output()
	if got := status(err); got != 78 {
		t.Errorf("ended with %d", got)
	}
	var line struct {
		Level    string
		Problems []string
	}
	if err := json.Unmarshal(output, &line); err != nil || line.Level != "ERROR" || len(line.Problems) != 2 {
		t.Errorf("logged %s: %v", output, err)
	}
}

func TestVersionIsToldWhateverTheConfiguration(t *testing.T) {
	command := program(t, "version")
	command.Env = append(command.Env, "CONCURRENCY=nowhere")
	if output, err := command.Output(); err != nil || !strings.HasPrefix(string(output), "event-worker ") {
		t.Errorf("ended with %d: %s", status(err), output)
	}
}

func TestLogLevelIsSetFromTheStart(t *testing.T) {
	s := start(t, "-log-level=DEBUG")
	response, err := http.Get("http://" + s.admin + "/log-level")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if level, err := io.ReadAll(response.Body); string(level) != "DEBUG\n" {
		t.Errorf("level is %q, %v", level, err)
	}
}

func TestHealthIsNotAskedOfAProxy(t *testing.T) {
	s := start(t)
	_, port, err := net.SplitHostPort(s.admin)
	if err != nil {
		t.Fatal(err)
	}
	// What the image listens on, and Go would ask a proxy for, unlike 127.0.0.1.
	command := program(t, "healthcheck", "-admin-addr", "0.0.0.0:"+port)
	command.Env = append(command.Env, "HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1", "NO_PROXY=", "no_proxy=")
	if output, err := command.Output(); err != nil {
		t.Errorf("ended with %d: %s", status(err), output)
	}
}

func TestHealthNeedsNoOtherSetting(t *testing.T) {
	s := start(t)
	command := program(t, "healthcheck", "-admin-addr", s.admin)
	command.Env = append(command.Env, "CONCURRENCY=none", "MESSAGE_TIMEOUT=never")
	if output, err := command.Output(); err != nil {
		t.Errorf("ended with %d: %s", status(err), output)
	}
}

func TestCommands(t *testing.T) {
	s := start(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for arguments, want := range map[string]struct {
		status int
		output string
	}{
		"-h":      {0, "Usage: event-worker "},
		"version": {0, "event-worker "},
		"healthcheck http://" + s.admin + "/livez":     {0, ""},
		"healthcheck http://" + s.admin + "/nothing":   {1, "404 Not Found"},
		"healthcheck -admin-addr 127.0.0.1:1":          {1, "connection refused"},
		"healthcheck http://" + silent.Addr().String(): {1, "context deadline exceeded"},
		"healthcheck ://":                              {1, "missing protocol scheme"},
		"brew":                                         {78, `unknown command \"brew\"`},
		"serve -unknown":                               {78, "-unknown"},
	} {
		output, err := program(t, strings.Fields(arguments)...).Output()
		if got := status(err); got != want.status || !strings.Contains(string(output), want.output) {
			t.Errorf("%s ended with %d: %s", arguments, got, output)
		}
	}
}

const message = `{"readings":[{"device":"a","epoch":1,"sequence":1,"measured_at":"2026-11-18T11:06:41.250Z","value":21.875}]}`

func TestMessagesAreCountedBeforeTheEnd(t *testing.T) {
	s := start(t, "-drain-delay", "100ms")
	s.post(t, message)
	s.get(t, "/v1/aggregates?device=a", `"start":"2026-11-18T11:06:00.000Z","count":1,`)
	s.get(t, "/metrics", `readings_total{outcome="added"} 1`)
	s.signal(t, syscall.SIGTERM)
	if got := status(s.command.Wait()); got != 0 {
		t.Errorf("ended with %d", got)
	}
}

func (s *service) post(t *testing.T, message string) {
	t.Helper()
	response, err := http.Post("http://"+s.admin+"/v1/messages", "application/json", strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		t.Errorf("a message is answered %s", response.Status)
	}
}

// get asks for a path until the answer holds what is wanted, a great many times at most.
func (s *service) get(t *testing.T, path, want string) {
	t.Helper()
	var text []byte
	for range 20_000 {
		response, err := http.Get("http://" + s.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err = io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), want) {
			return
		}
	}
	t.Fatalf("%s is answered %s, without %s", path, text, want)
}
