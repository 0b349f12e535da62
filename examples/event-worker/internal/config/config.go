// Package config reads the settings of the service: each is a flag with a twin in the environment.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config holds the settings; the usage texts in flags say what each is for.
type Config struct {
	AdminAddr      string
	LogLevel       slog.Level
	DrainDelay     time.Duration
	DrainTimeout   time.Duration
	WorkerSettings WorkerSettings
}

// Error lists everything that is wrong with a configuration.
type Error struct {
	Problems []string
}

func (e *Error) Error() string {
	return "invalid configuration: " + strings.Join(e.Problems, "; ")
}

// Default is what holds where neither flag nor environment says otherwise.
func Default() Config {
	return Config{
		AdminAddr:      "127.0.0.1:9090",
		LogLevel:       slog.LevelInfo,
		DrainDelay:     5 * time.Second,
		DrainTimeout:   20 * time.Second,
		WorkerSettings: WorkerSettings{MaxInFlight: 256, Concurrency: 4, MessageTimeout: 10 * time.Second},
	}
}

// flags describes the settings with the present values as defaults.
func (c *Config) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.AdminAddr, "admin-addr", c.AdminAddr, "where probes, metrics, profiles and results listen")
	fs.TextVar(&c.LogLevel, "log-level", c.LogLevel, "DEBUG, INFO, WARN or ERROR; /log-level changes it at run time")
	fs.DurationVar(&c.DrainDelay, "drain-delay", c.DrainDelay, "working on after SIGTERM while readiness tells of the end")
	fs.DurationVar(&c.DrainTimeout, "drain-timeout", c.DrainTimeout, "time for messages in hand to be settled after that")
	c.WorkerSettings.flags(fs)
	return fs
}

// Load reads the settings: a flag wins over the environment, the environment over a file that it names
// (LOG_LEVEL_FILE for LOG_LEVEL), that over the default. It returns flag.ErrHelp when help was asked for,
// else an *Error with all that is wrong; of arguments that can't be read, the first. Where some settings
// are named, of the others only flags are looked at.
func Load(args []string, getenv func(string) string, names ...string) (Config, error) {
	c := Default()
	needed := func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	fs := c.flags()
	var problems []string
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return c, err
	case err != nil:
		problems = append(problems, err.Error())
	case fs.NArg() > 0:
		problems = append(problems, fmt.Sprintf("unexpected argument %q", fs.Arg(0)))
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	fs.VisitAll(func(f *flag.Flag) {
		if given[f.Name] || !needed(f.Name) {
			return
		}
		value, err := lookup(environment(f.Name), getenv)
		if err != nil {
			problems = append(problems, err.Error())
			return
		}
		if value == "" {
			return
		}
		if err := fs.Set(f.Name, value); err != nil {
			problems = append(problems, fmt.Sprintf("invalid value %q for %s: %v", value, environment(f.Name), err))
		}
	})
	if problems = append(problems, c.validate(needed)...); len(problems) > 0 {
		return c, &Error{Problems: problems}
	}
	return c, nil
}

// lookup returns the value of a variable, or what is in the file that its twin with _FILE names. That
// is how orchestrators hand out secrets.
func lookup(name string, getenv func(string) string) (string, error) {
	value, file := getenv(name), getenv(name+"_FILE")
	if value != "" || file == "" {
		return value, nil
	}
	content, err := os.ReadFile(file) //nolint:gosec // who starts the service says where its secrets are
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return strings.TrimSpace(string(content)), nil
}

func (c *Config) validate(needed func(name string) bool) (problems []string) {
	rule := func(holds bool, name, text string) {
		if !holds && needed(name) {
			problems = append(problems, fmt.Sprintf("-%s (%s) must be %s", name, environment(name), text))
		}
	}
	rule(isAddress(c.AdminAddr), "admin-addr", "host:port")
	rule(c.DrainDelay >= 0, "drain-delay", "at least 0s")
	rule(c.DrainTimeout > 0, "drain-timeout", "above 0s")
	c.WorkerSettings.validate(rule)
	return problems
}

func isAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

func environment(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// LogValue shows the settings under the names of their flags.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	c.flags().VisitAll(func(f *flag.Flag) {
		attrs = append(attrs, slog.String(f.Name, f.Value.String()))
	})
	return slog.GroupValue(attrs...)
}

// Usage writes what each setting is for, and its default as the environment would give it.
func Usage(w io.Writer) {
	c := Default()
	c.flags().VisitAll(func(f *flag.Flag) {
		fmt.Fprintf(w, "  -%s, %s=%s\n        %s\n", f.Name, environment(f.Name), f.DefValue, f.Usage)
	})
}
