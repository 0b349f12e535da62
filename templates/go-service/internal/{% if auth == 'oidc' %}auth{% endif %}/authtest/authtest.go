// Package authtest is an OpenID Connect issuer for tests and development.
package authtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
)

// Lifetime is how long tokens are valid.
const Lifetime = 12 * time.Hour

// Issuer has one key at a time. As an http.Handler it tells where that is, what it is, and at /token a
// token to anybody.
type Issuer struct {
	url      string
	audience string
	mux      http.ServeMux

	mu  sync.Mutex
	id  string
	key *ecdsa.PrivateKey
}

// New makes an issuer that is known by a URL, whose tokens are for an audience.
func New(url, audience string) *Issuer {
	i := &Issuer{url: url, audience: audience}
	i.Rotate()
	i.mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{
			"issuer":   i.url,
			"jwks_uri": i.url + "/keys",

			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	i.mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"keys": []any{i.publicKey()}})
	})
	i.mux.HandleFunc("GET /token", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, i.Token(nil))
	})
	return i
}

func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) { i.mux.ServeHTTP(w, r) }

// Rotate replaces the key. Tokens of the one before are worth nothing any more.
func (i *Issuer) Rotate() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // not with this curve
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.id, i.key = rand.Text(), key
}

// Token is valid, unless changes to its claims make it something else. A claim that is nil is left out.
func (i *Issuer) Token(changes map[string]any) string {
	now := time.Now()
	claims := map[string]any{
		"iss": i.url,
		"aud": i.audience,
		"sub": "somebody",
		"iat": now.Unix(),
		"exp": now.Add(Lifetime).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	i.mu.Lock()
	defer i.mu.Unlock()
	signed := encode(map[string]string{"alg": "ES256", "typ": "JWT", "kid": i.id}) + "." + encode(claims)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, digest[:])
	if err != nil {
		panic(err) // not with a key that was generated
	}
	// RFC 7518, section 3.4: both numbers, 32 bytes each.
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// publicKey is as RFC 7518, section 6.2, has it: both coordinates, 32 bytes each.
func (i *Issuer) publicKey() map[string]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	point, err := i.key.PublicKey.Bytes()
	if err != nil {
		panic(err) // not with a key that was generated
	}
	return map[string]string{
		"kty": "EC",
		"crv": "P-256",
		"alg": "ES256",
		"use": "sig",
		"kid": i.id,
		"x":   base64.RawURLEncoding.EncodeToString(point[1:33]),
		"y":   base64.RawURLEncoding.EncodeToString(point[33:]),
	}
}

func encode(part any) string {
	text, err := json.Marshal(part)
	if err != nil {
		panic(fmt.Sprintf("a part of a token is no JSON: %v", err))
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func reply(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document)
}
