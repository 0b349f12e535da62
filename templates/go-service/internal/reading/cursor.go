package reading

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
)

// cursorSum is how many bytes of the hash a cursor has.
const cursorSum = 8

// newCursor says where a page ended. It begins with a hash over the query and that position, so that
// it is of no use for another query, and one that was changed is noticed.
func newCursor(query string, position any) string {
	text, _ := json.Marshal(position)
	sum := sha256.Sum256(append([]byte(query), text...))
	return base64.RawURLEncoding.EncodeToString(append(sum[:cursorSum:cursorSum], text...))
}

// openCursor sets position to where the page ended that a cursor came with, and reports whether it
// was a page of this query.
func openCursor(cursor, query string, position any) bool {
	if text, _ := base64.RawURLEncoding.DecodeString(cursor); len(text) > cursorSum {
		_ = json.Unmarshal(text[cursorSum:], position)
	}
	// Whatever could not be read does not make the same cursor again.
	return newCursor(query, position) == cursor
}
