package reading

import (
	"fmt"

	"example.com/http-api/internal/strictjson"
)

const timeRule = "must be a time in UTC such as 2026-11-18T11:06:41.250Z"

func decodeBatch(d *strictjson.Decoder) (batch []Reading) {
	d.Object(func(string) {
		length := d.Array(func(i int) {
			if reading := decodeReading(d); i < MaxBatch {
				batch = append(batch, reading)
			}
		})
		if length < 1 || length > MaxBatch {
			d.Violate("", fmt.Sprintf("must hold 1 to %d readings", MaxBatch))
		}
	}, "readings")
	return batch
}

func decodeReading(d *strictjson.Decoder) (reading Reading) {
	d.Object(func(member string) {
		switch member {
		case "device":
			reading.Device = d.String()
		case "epoch":
			reading.Epoch = d.Integer(1, MaxEpoch)
		case "sequence":
			reading.Sequence = d.Integer(1, MaxSequence)
		case "measured_at":
			at, ok := ParseTime(d.String())
			if !ok {
				d.Violate("", timeRule)
			}
			reading.MeasuredAt = at
		case "value":
			reading.Value = d.Number()
		}
	}, "device", "epoch", "sequence", "measured_at", "value")
	reading.Validate(d.Violate)
	return reading
}
