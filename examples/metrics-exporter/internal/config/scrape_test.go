package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScrapeHasToStayWithinBounds(t *testing.T) {
	for argument, want := range map[string]string{
		"-target-url=localhost:8080": "an http or https URL",
		"-target-url=ftp://host":     "an http or https URL",
		"-scrape-timeout=0s":         "at most 1m0s",
		"-scrape-timeout=61s":        "at most 1m0s",
		"-max-devices=0":             "at least 1",
		"-max-scrapes=0":             "at least 1",
		"-web-config-file=nowhere":   "open nowhere",
	} {
		_, err := Load([]string{argument}, environmentOf(nil))
		var invalid *Error
		if !errors.As(err, &invalid) || len(invalid.Problems) != 1 || !strings.Contains(invalid.Problems[0], want) {
			t.Errorf("%s: got %v", argument, err)
		}
	}
}

func TestWebConfigurationIsReadBeforeItIsNeeded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	for content, valid := range map[string]bool{
		"basic_auth_users:\n  prometheus: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi\n": true,
		"basic_auth_users:\n  prometheus: not a hash\n":                                                   false,
		"tls_server_config:\n  cert_file: nowhere.pem\n  key_file: nowhere.key\n":                         false,
		"passwords: {}\n": false,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load([]string{"-web-config-file", file}, environmentOf(nil)); (err == nil) != valid {
			t.Errorf("%s: got %v", content, err)
		}
	}
}
