package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

const (
	// The most that the contract lets a client ask for.
	pageSize = "1000"
	// A thousand devices with the longest names take a seventh of it.
	maxPageBytes   = 1 << 20
	maxHeaderBytes = 16 << 10
	dialTimeout    = 5 * time.Second
	idleTimeout    = 90 * time.Second
)

// Target is a server that answers GET /v1/devices.
type Target struct {
	client  *http.Client
	devices *url.URL
	name    *regexp.Regexp
}

// NewTarget makes a source of the server at a URL. It opens no connection yet.
func NewTarget(address string) (*Target, error) {
	base, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("read the URL of the target: %w", err)
	}
	return &Target{
		client: &http.Client{
			// No proxy of the environment: that is for what is outside.
			Transport: &http.Transport{
				DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
				TLSHandshakeTimeout:    dialTimeout,
				IdleConnTimeout:        idleTimeout,
				MaxResponseHeaderBytes: maxHeaderBytes,
				ForceAttemptHTTP2:      true,
			},
			// Where the target is, the settings say, and nobody else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		devices: base.JoinPath("v1/devices"),
		name:    regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`),
	}, nil
}

// page is what the target answers.
type page struct {
	Devices []struct {
		Device   string     `json:"device"`
		LastSeen *time.Time `json:"last_seen"`
		Readings *uint64    `json:"readings"`
	} `json:"devices"`
	Next string `json:"next"`
}

// Devices walks through the pages for as long as it is listened to.
func (t *Target) Devices(ctx context.Context) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		for cursor, last := "", ""; ; {
			page, err := t.page(ctx, cursor)
			if err != nil {
				yield(Device{}, err)
				return
			}
			for _, entry := range page.Devices {
				// Their order makes each name come once, and an end of the pages certain.
				if !t.name.MatchString(entry.Device) || entry.Device <= last || entry.LastSeen == nil || entry.Readings == nil {
					yield(Device{}, fmt.Errorf("ask for devices: %q after %q is none, or not complete", entry.Device, last))
					return
				}
				if !yield(Device{entry.Device, *entry.LastSeen, *entry.Readings}, nil) {
					return
				}
				last = entry.Device
			}
			if page.Next == "" {
				return
			}
			if len(page.Devices) == 0 {
				yield(Device{}, errors.New("ask for devices: a page without any leads to another"))
				return
			}
			cursor = page.Next
		}
	}
}

func (t *Target) page(ctx context.Context, cursor string) (*page, error) {
	query := url.Values{"limit": {pageSize}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	address := *t.devices
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask for devices: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(request.Header))
	response, err := t.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for devices: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for devices: answered %s", response.Status)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, fmt.Errorf("ask for devices: answered with %q", response.Header.Get("Content-Type"))
	}
	return read(http.MaxBytesReader(nil, response.Body, maxPageBytes))
}

func read(body io.Reader) (*page, error) {
	decoder := json.NewDecoder(body)
	got := new(page)
	if err := decoder.Decode(got); err != nil {
		return nil, fmt.Errorf("read the devices: %w", err)
	}
	if got.Devices == nil {
		return nil, errors.New("read the devices: there is no list of them")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read the devices: something comes after them")
	}
	return got, nil
}
