package strictjson

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// box has a member of each kind that Decoder reads.
type box struct {
	Name  string    `json:"name"`
	Count int64     `json:"count"`
	Sizes []float64 `json:"sizes"`
}

func decodeBox(d *Decoder) (b box) {
	d.Object(func(member string) {
		switch member {
		case "name":
			b.Name = d.String()
		case "count":
			b.Count = d.Integer(1, 9)
		case "sizes":
			d.Array(func(int) { b.Sizes = append(b.Sizes, d.Number()) })
		}
	}, "name", "count", "sizes")
	return b
}

func decodeText(text string) (b box, violations []Violation, err error) {
	violations, err = Decode([]byte(text), func(d *Decoder) { b = decodeBox(d) })
	return b, violations, err
}

func TestDecodeTakesWhatIsMeant(t *testing.T) {
	for _, text := range []string{
		`{"name":"x","count":7,"sizes":[1,-2.5,3e2]}`,
		" \n{ \"sizes\" : [ 1 , -2.5 , 300 ] , \"count\" : 7 , \"n\\u0061me\" : \"\\u0078\" }\t",
	} {
		b, violations, err := decodeText(text)
		if err != nil || violations != nil || b.Name != "x" || b.Count != 7 || !slices.Equal(b.Sizes, []float64{1, -2.5, 300}) {
			t.Errorf("%s gives %+v, %v, %v", text, b, violations, err)
		}
	}
}

func TestDecodeRefusesWhatItCanNotRead(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":              ``,
		"syntax":               `{"name":"x","count":7,"sizes":[1,]}`,
		"trailing data":        `{"name":"x","count":7,"sizes":[]} {}`,
		"byte-order mark":      "\ufeff" + `{"name":"x","count":7,"sizes":[]}`,
		"not UTF-8":            `{"name":"` + "\xff" + `","count":7,"sizes":[]}`,
		"null":                 `null`,
		"null member":          `{"name":null,"count":7,"sizes":[]}`,
		"null element":         `{"name":"x","count":7,"sizes":[null]}`,
		"wrong type":           `{"name":7,"count":7,"sizes":[]}`,
		"number as string":     `{"name":"x","count":"7","sizes":[]}`,
		"object for array":     `{"name":"x","count":7,"sizes":{}}`,
		"array for object":     `[]`,
		"unknown member":       `{"name":"x","count":7,"sizes":[],"more":1}`,
		"wrongly cased":        `{"Name":"x","count":7,"sizes":[]}`,
		"twice":                `{"name":"x","name":"x","count":7,"sizes":[]}`,
		"twice, once escaped":  `{"name":"x","n\u0061me":"x","count":7,"sizes":[]}`,
		"unknown after a rule": `{"name":"x","count":0,"sizes":[],"more":1}`,
	} {
		_, violations, err := decodeText(text)
		if err == nil || violations != nil || !strings.HasPrefix(err.Error(), "#") {
			t.Errorf("%s: got %v, %v", name, violations, err)
		}
	}
}

func TestDecodeListsAllBrokenRules(t *testing.T) {
	for text, want := range map[string][]string{
		`{}`: {"#/name", "#/count", "#/sizes"},
		`{"sizes":[1,1e999,-1e999],"count":10,"name":""}`:     {"#/sizes/1", "#/sizes/2", "#/count"},
		`{"name":"","count":1.0,"sizes":[]}`:                  {"#/count"},
		`{"name":"","count":1e0,"sizes":[]}`:                  {"#/count"},
		`{"name":"","count":0}`:                               {"#/count", "#/sizes"},
		`{"name":"","count":99999999999999999999,"sizes":[]}`: {"#/count"},
	} {
		_, violations, err := decodeText(text)
		var got []string
		for _, violation := range violations {
			got = append(got, violation.Pointer)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s gives %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestDecodeListsAtMostAHundredViolations(t *testing.T) {
	_, violations, err := decodeText(`{"name":"","count":1,"sizes":[` + strings.Repeat("1e999,", 200) + `1]}`)
	if err != nil || len(violations) != 100 {
		t.Errorf("got %d of them, %v", len(violations), err)
	}
}

func TestEachPlaceIsListedOnce(t *testing.T) {
	d := new(Decoder)
	d.Violate("a", "first")
	d.Violate("a", "second")
	d.Violate("", "other")
	want := []Violation{{Pointer: "#/a", Detail: "first"}, {Pointer: "#", Detail: "other"}}
	if !slices.Equal(d.violations, want) {
		t.Errorf("got %v", d.violations)
	}
}

// FuzzDecode holds the decoder against encoding/json, which takes more: what is accepted here
// must be accepted there and mean the same.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"name":"x","count":7,"sizes":[1,-2.5,3e2]}`,
		`{"name":"\ud83d\ude00","count":9,"sizes":[]}`,
		`{"name":"x","count":7,"sizes":[[]]}`,
		`{"name":"x","name":"y"}`,
		`[{}]`, `{`, ``, `null`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, violations, err := decodeText(text)
		if err != nil || violations != nil {
			return
		}
		var want box
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatalf("%q was accepted, but: %v", text, err)
		}
		if got.Name != want.Name || got.Count != want.Count || !slices.Equal(got.Sizes, want.Sizes) {
			t.Errorf("%q gives %+v, want %+v", text, got, want)
		}
	})
}
