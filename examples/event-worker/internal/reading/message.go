package reading

import (
	"errors"
	"strings"

	"example.com/event-worker/internal/strictjson"
)

// Decode reads a message: a JSON text with 1 to MaxBatch readings, each of which keeps every rule. The error says
// what does not, under JSON pointers.
func Decode(data []byte) (batch []Reading, err error) {
	violations, err := strictjson.Decode(data, func(d *strictjson.Decoder) { batch = decodeBatch(d) })
	if err != nil {
		return nil, err
	}
	if len(violations) == 0 {
		return batch, nil
	}
	rules := make([]string, len(violations))
	for i, v := range violations {
		rules[i] = v.Pointer + " " + v.Detail
	}
	return nil, errors.New(strings.Join(rules, "; "))
}
