package config

import (
	"flag"
	"fmt"
	"time"
)

const (
	// LongestTry is what -message-timeout stays below: what fails at first comes late, and windows don't wait for ever.
	LongestTry = 30 * time.Second

	mostInFlight = 10_000
)

// WorkerSettings say how much is done at once, and for how long.
type WorkerSettings struct {
	MaxInFlight    int
	Concurrency    int
	MessageTimeout time.Duration
}

func (s *WorkerSettings) flags(fs *flag.FlagSet) {
	fs.IntVar(&s.MaxInFlight, "max-in-flight", s.MaxInFlight, "messages in hand; the broker keeps the others")
	fs.IntVar(&s.Concurrency, "concurrency", s.Concurrency, "messages decoded, and batches stored, at once")
	fs.DurationVar(&s.MessageTimeout, "message-timeout", s.MessageTimeout, "deadline of each try of a message")
}

func (s *WorkerSettings) validate(rule func(holds bool, name, text string)) {
	rule(s.MaxInFlight > 0 && s.MaxInFlight <= mostInFlight, "max-in-flight", fmt.Sprintf("from 1 to %d", mostInFlight))
	rule(s.Concurrency > 0, "concurrency", "at least 1")
	rule(s.MessageTimeout > 0 && s.MessageTimeout < LongestTry, "message-timeout", fmt.Sprintf("above 0s and below %v", LongestTry))
}
