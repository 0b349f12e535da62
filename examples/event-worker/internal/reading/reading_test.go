package reading_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"example.com/event-worker/internal/reading"
)

// contractCase is of the requests that every implementation of the contract answers alike: a message is the body of
// one that stores readings.
type contractCase struct {
	Name    string
	Request struct {
		Method, Path, Body, Tail string
		Headers                  map[string]string
		Repeat                   struct {
			Text  string
			Times int
		}
		BodyBase64 []byte `json:"body_base64"`
	}
	Expect struct {
		Status   int
		Pointers []string
	}
}

func TestMessagesAreTakenAsTheContractHasIt(t *testing.T) {
	text, err := os.ReadFile("../../testdata/contract/http.json")
	if err != nil {
		t.Fatal(err)
	}
	var contract struct{ Cases []contractCase }
	if err := json.Unmarshal(text, &contract); err != nil {
		t.Fatal(err)
	}
	tried := map[int]int{}
	for _, c := range contract.Cases {
		status := c.Expect.Status
		judged := status == http.StatusOK || status == http.StatusBadRequest || status == http.StatusUnprocessableEntity
		if r := c.Request; !judged || r.Method != http.MethodPost || r.Path != "/v1/readings" {
			continue
		}
		tried[status]++
		t.Run(c.Name, func(t *testing.T) { c.run(t) })
	}
	if tried[http.StatusOK] == 0 || tried[http.StatusBadRequest] == 0 || tried[http.StatusUnprocessableEntity] == 0 {
		t.Errorf("tried %v", tried)
	}
}

func (c contractCase) run(t *testing.T) {
	body := c.Request.BodyBase64
	if body == nil {
		body = []byte(c.Request.Body + strings.Repeat(c.Request.Repeat.Text, c.Request.Repeat.Times) + c.Request.Tail)
	}
	batch, err := reading.Decode(body)
	if taken := err == nil; taken != (c.Expect.Status == http.StatusOK) || taken != (len(batch) > 0) {
		t.Fatalf("%d readings and %v, where a service answers %d", len(batch), err, c.Expect.Status)
	}
	for _, pointer := range c.Expect.Pointers {
		if !strings.Contains(err.Error(), pointer+" ") {
			t.Errorf("no %s in %v", pointer, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"readings":[{"device":"a","epoch":1,"sequence":1,"measured_at":"2026-11-18T11:06:41Z","value":1}]}`))
	f.Add([]byte(`{"readings":[{"device":"a","epoch":1.0,"sequence":0,"measured_at":"","value":null}],"x":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		batch, err := reading.Decode(data)
		if (err == nil) != (len(batch) > 0) {
			t.Fatalf("%d readings and %v", len(batch), err)
		}
		if err == nil && !json.Valid(bytes.TrimSpace(data)) {
			t.Errorf("%q was taken", data)
		}
	})
}
