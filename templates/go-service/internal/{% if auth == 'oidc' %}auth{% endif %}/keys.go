package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// keyPause is how often the issuer is asked at most. Anybody can send tokens with keys that nobody
	// knows; issuers publish a key before they sign with it.
	keyPause     = 3 * time.Second
	maxKeysBytes = 1 << 20
)

// errNoKeys says that the issuer did not give its keys.
var errNoKeys = errors.New("no keys of the issuer")

// attempt is the verification of one token: go-oidc does not pass on why there were no keys.
type attempt struct {
	oidc.KeySet
	failure error
}

// VerifySignature implements oidc.KeySet.
func (a *attempt) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := a.KeySet.VerifySignature(ctx, token)
	// Of its errors those alone wrap another that are about getting keys.
	if cause := errors.Unwrap(err); cause != nil {
		a.failure = fmt.Errorf("%w: %w", errNoKeys, cause)
	}
	return payload, err
}

// keyTransport asks the issuer for its keys. Whoever asks again before the pause is over gets the same
// answer, be it an error.
type keyTransport struct {
	client *http.Client
	pause  time.Duration

	mu    sync.Mutex
	asked time.Time
	keys  []byte
	err   error
}

// RoundTrip implements http.RoundTripper.
func (t *keyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.asked) >= t.pause {
		t.keys, t.err = t.ask(r)
		t.asked = time.Now()
	}
	if t.err != nil {
		return nil, t.err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(t.keys)), Request: r}, nil
}

func (t *keyTransport) ask(r *http.Request) ([]byte, error) {
	response, err := t.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer answered %s", response.Status)
	}
	keys, err := io.ReadAll(io.LimitReader(response.Body, maxKeysBytes))
	if err == nil && !json.Valid(keys) {
		// go-oidc would put all of it into its error.
		err = errors.New("the issuer answered something else than keys")
	}
	return keys, err
}
