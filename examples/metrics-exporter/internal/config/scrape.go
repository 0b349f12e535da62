package config

import (
	"flag"
	"fmt"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// MaxScrapeTimeout keeps a scrape within the time that the server has to answer.
const MaxScrapeTimeout = time.Minute

// ScrapeSettings say what is scraped, and what one scrape may take.
type ScrapeSettings struct {
	TargetURL     string
	WebConfigFile string
	ScrapeTimeout time.Duration
	MaxDevices    int
	MaxScrapes    int
}

func (s *ScrapeSettings) flags(fs *flag.FlagSet) {
	fs.StringVar(&s.TargetURL, "target-url", s.TargetURL, "URL of the server that is asked for /v1/devices; without one a demonstration is exposed")
	fs.StringVar(&s.WebConfigFile, "web-config-file", s.WebConfigFile, "web configuration file of Prometheus, with TLS and passwords; read again for each connection")
	fs.DurationVar(&s.ScrapeTimeout, "scrape-timeout", s.ScrapeTimeout, "time that the target has for a scrape, where Prometheus does not wait less")
	fs.IntVar(&s.MaxDevices, "max-devices", s.MaxDevices, "devices that are exposed; of more, the first by name")
	fs.IntVar(&s.MaxScrapes, "max-scrapes", s.MaxScrapes, "scrapes answered at once; more are answered 503")
}

func (s *ScrapeSettings) validate(rule func(holds bool, name, text string)) {
	rule(s.TargetURL == "" || isURL(s.TargetURL), "target-url", "an http or https URL")
	err := web.Validate(s.WebConfigFile)
	rule(err == nil, "web-config-file", fmt.Sprintf("a web configuration file: %v", err))
	rule(s.ScrapeTimeout > 0 && s.ScrapeTimeout <= MaxScrapeTimeout, "scrape-timeout",
		fmt.Sprintf("above 0s and at most %v", MaxScrapeTimeout))
	rule(s.MaxDevices > 0, "max-devices", "at least 1")
	rule(s.MaxScrapes > 0, "max-scrapes", "at least 1")
}
