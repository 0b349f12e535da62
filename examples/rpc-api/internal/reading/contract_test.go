package reading_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/rpc-api/internal/reading"
)

// contractCase is a request to a service with an empty store, and what must come back. It is told in
// terms of HTTP, and tried as a call that says the same.
type contractCase struct {
	Name    string
	Given   []contractRequest
	Request contractRequest
	Expect  struct {
		Status   int
		Pointers []string
		JSON     map[string]any
	}
}

type contractRequest struct {
	Method string
	Path   string
	Body   string
	Repeat struct {
		Text  string
		Times int
	}
	Tail       string // behind the body and what is repeated
	BodyBase64 []byte `json:"body_base64"`
}

// Of what HTTP answers, that which a call can be answered as well, and how.
var statuses = map[int]int{
	http.StatusOK:                  http.StatusOK,
	http.StatusNotFound:            http.StatusNotFound,
	http.StatusConflict:            http.StatusConflict,
	http.StatusUnprocessableEntity: http.StatusBadRequest,
}

// Written in a way that the JSON of Protobuf has no objection to, or can't be told from a default.
var tolerated = []string{
	"an epoch with an exponent", "an epoch with a fraction", "a sequence with an exponent", "a sequence with a fraction",
	"a time with an offset", "a time with a comma", "an hour of one digit",
	"readings: a limit that is zero", "devices: a limit that is zero",
	"readings: an empty device", "readings: a limit with a plus sign",
}

func TestContract(t *testing.T) {
	text, err := os.ReadFile("../../testdata/contract/http.json")
	if err != nil {
		t.Fatal(err)
	}
	var contract struct{ Cases []contractCase }
	if err := json.Unmarshal(text, &contract); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, c := range contract.Cases {
		procedure, message, ok := c.Request.call()
		status := statuses[c.Expect.Status]
		if !ok || status == 0 || slices.Contains(tolerated, c.Name) {
			continue
		}
		tried++
		t.Run(c.Name, func(t *testing.T) { c.run(t, procedure, message, status) })
	}
	if tried < 100 {
		t.Errorf("only %d of %d cases were tried", tried, len(contract.Cases))
	}
}

func (c contractCase) run(t *testing.T, procedure, message string, status int) {
	api := newAPI(reading.NewMemory(10_000))
	for _, given := range c.Given {
		procedure, message, _ := given.call()
		if w := callJSON(api, procedure, message); w.Code != http.StatusOK {
			t.Fatalf("given %s: answered %d %s", message, w.Code, w.Body)
		}
	}
	w := callJSON(api, procedure, message)
	if w.Code != status {
		t.Fatalf("%s of %.500s is answered %d %s, want %d", procedure, message, w.Code, w.Body, status)
	}
	for _, pointer := range c.Expect.Pointers {
		if field := fieldOf(pointer); !strings.Contains(w.Body.String(), field) && strings.Contains(w.Body.String(), "details") {
			t.Errorf("%s is not named in %s", field, w.Body)
		}
	}
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	answer = asContract(answer).(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(c.Expect.JSON)) {
		want := c.Expect.JSON[name]
		got, given := answer[name]
		empty := want == nil || want == 0.0 || reflect.DeepEqual(want, []any{})
		if given && !reflect.DeepEqual(got, want) || !given && !empty { // what is empty is left out
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func callJSON(api http.Handler, procedure, message string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/"+reading.ServiceName+"/"+procedure, strings.NewReader(message))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w
}

// call is the request as a procedure and its message, if there is one.
func (c contractRequest) call() (procedure, message string, ok bool) {
	path, query, _ := strings.Cut(c.Path, "?")
	parameters, _ := url.ParseQuery(query)
	name, ofDevice := strings.CutPrefix(path, "/v1/devices/")
	switch {
	case c.Method == http.MethodPost && path == "/v1/readings":
		return "AddReadings", c.Body + strings.Repeat(c.Repeat.Text, c.Repeat.Times) + c.Tail, query == "" && c.BodyBase64 == nil
	case c.Method == http.MethodGet && path == "/v1/readings":
		message, ok = messageOf(parameters, "device", "from", "to", "limit", "cursor")
		return "ListReadings", message, ok
	case c.Method == http.MethodGet && path == "/v1/devices":
		message, ok = messageOf(parameters, "limit", "cursor")
		return "ListDevices", message, ok
	case c.Method == http.MethodGet && ofDevice && reading.ValidDevice(name):
		return "GetDevice", `{"device":"` + name + `"}`, query == ""
	default:
		return "", "", false
	}
}

func messageOf(parameters url.Values, names ...string) (message string, ok bool) {
	fields := map[string]any{}
	for name, values := range parameters {
		if !slices.Contains(names, name) || len(values) > 1 || values[0] == "" {
			return "", false
		}
		fields[name] = values[0]
	}
	text, err := json.Marshal(fields)
	return string(text), err == nil
}

// fieldOf is a JSON pointer as a path of fields: readings[0].device for #/readings/0/device.
func fieldOf(pointer string) string {
	var field strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "#/"), "/") {
		switch _, err := strconv.Atoi(part); {
		case err == nil:
			field.WriteString("[" + part + "]")
		case field.Len() > 0:
			field.WriteString("." + part)
		default:
			field.WriteString(part)
		}
	}
	return field.String()
}

// asContract is a value of the JSON of Protobuf as the contract writes it.
func asContract(value any) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = asContract(value[i])
		}
		return value
	case map[string]any:
		converted := map[string]any{}
		for name, member := range value {
			if text, ok := member.(string); ok && slices.Contains([]string{"epoch", "readings", "missing"}, name) {
				member, _ = strconv.ParseFloat(text, 64)
			}
			converted[strings.NewReplacer("dA", "d_a", "tS", "t_s").Replace(name)] = asContract(member)
		}
		return converted
	case string:
		if at, err := time.Parse(time.RFC3339Nano, value); err == nil {
			return at.Format("2006-01-02T15:04:05.000Z")
		}
		return value
	default:
		return value
	}
}
