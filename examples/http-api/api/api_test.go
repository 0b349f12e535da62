package api

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/http-api/internal/reading"
)

// described are the operations of the description as patterns of http.ServeMux, by its indentation.
func described(t *testing.T) (patterns []string) {
	t.Helper()
	_, paths, found := strings.Cut(string(description), "\npaths:\n")
	if !found {
		t.Fatal("the description has no paths")
	}
	line := regexp.MustCompile(`^(?:  (/\S*)|    (get|put|post|delete|patch)):$`)
	var path string
	for text := range strings.Lines(paths) {
		text = strings.TrimSuffix(text, "\n")
		match := line.FindStringSubmatch(text)
		switch {
		case match == nil && text != "" && text[0] != ' ':
			return patterns
		case match == nil:
		case match[1] != "":
			path = match[1]
		default:
			patterns = append(patterns, strings.ToUpper(match[2])+" "+path)
		}
	}
	return patterns
}

func TestDescriptionHasTheRoutesOfTheService(t *testing.T) {
	routes := []string{Route().Pattern}
	for _, route := range reading.Routes(nil) {
		routes = append(routes, route.Pattern)
	}
	got := described(t)
	slices.Sort(routes)
	slices.Sort(got)
	if !slices.Equal(got, routes) {
		t.Errorf("described are %q, served are %q", got, routes)
	}
}

// The headers that a client acts on: RFC 9110, sections 10.2.3 and 11.6.1.
func TestProblemsAreDescribedWithTheHeadersThatTheyNeed(t *testing.T) {
	responses := regexp.MustCompile(`(?m)^        "(\d+)": \{\$ref: "#/components/responses/(\w+)"\}$`)
	for _, match := range responses.FindAllStringSubmatch(string(description), -1) {
		_, response, _ := strings.Cut(string(description), "\n    "+match[2]+":\n")
		response, _, _ = strings.Cut(response, "      content:")
		for status, header := range map[string]string{"401": "WWW-Authenticate:", "503": "Retry-After:"} {
			if strings.Contains(response, header) != (match[1] == status) {
				t.Errorf("%s is described as %s, of whose headers %s is a wrong one, or missing", match[1], match[2], header)
			}
		}
	}
}

func TestDescriptionIsServed(t *testing.T) {
	want, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := Route().Handle(w, httptest.NewRequest(http.MethodGet, "/openapi.yaml", nil)); err != nil {
		t.Fatal(err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/yaml" || w.Body.String() != string(want) {
		t.Errorf("served %s as %s", w.Body, got)
	}
}
