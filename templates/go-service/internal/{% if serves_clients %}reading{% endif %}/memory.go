package reading

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Capacity is how many readings the service keeps in memory: about 20 MiB with all indexes.
const Capacity = 100_000

// Memory is a Store that ends with the process. Its lists are in ascending order, so that a page is
// found by binary search, and what arrives in order is added at the end.
type Memory struct {
	capacity int

	mu       sync.RWMutex
	byKey    map[Key]*Reading
	readings []*Reading
	byName   map[string]*memoryDevice
	devices  []*memoryDevice
}

type memoryDevice struct {
	name     string
	readings []*Reading
	epoch    int64
	highest  int64
	held     int64
}

var _ Store = (*Memory)(nil)

// NewMemory makes a store for up to capacity readings.
func NewMemory(capacity int) *Memory {
	return &Memory{
		capacity: capacity,
		byKey:    make(map[Key]*Reading),
		byName:   make(map[string]*memoryDevice),
	}
}

// Insert implements Store.
func (m *Memory) Insert(_ context.Context, batch []Reading) (inserted int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := make(map[Key]*Reading, len(batch))
	var conflict ConflictError
	for i := range batch {
		reading := &batch[i]
		key := reading.Key()
		known := cmp.Or(m.byKey[key], fresh[key])
		if known == nil {
			fresh[key] = reading
		} else if reading.Contradicts(*known) {
			conflict.Indexes = append(conflict.Indexes, i)
		}
	}
	if len(conflict.Indexes) > 0 {
		return 0, &conflict
	}
	if len(m.byKey)+len(fresh) > m.capacity {
		return 0, ErrFull
	}
	m.add(slices.SortedFunc(maps.Values(fresh), (*Reading).Compare))
	return len(fresh), nil
}

// add puts new readings, in ascending order, into every index.
func (m *Memory) add(fresh []*Reading) {
	var newDevices []*memoryDevice
	perDevice := make(map[*memoryDevice][]*Reading)
	for i, reading := range fresh {
		device := m.byName[reading.Device]
		if device == nil {
			device = &memoryDevice{name: reading.Device}
			m.byName[device.name] = device
			newDevices = append(newDevices, device)
		}
		own := *reading // the batch is the caller's
		own.Device = device.name
		fresh[i] = &own
		m.byKey[own.Key()] = &own
		perDevice[device] = append(perDevice[device], &own)
	}
	m.readings = merge(m.readings, fresh, (*Reading).Compare)
	for device, readings := range perDevice {
		device.add(readings)
	}
	slices.SortFunc(newDevices, (*memoryDevice).compare)
	m.devices = merge(m.devices, newDevices, (*memoryDevice).compare)
}

func (d *memoryDevice) add(fresh []*Reading) {
	d.readings = merge(d.readings, fresh, (*Reading).Compare)
	for _, reading := range fresh {
		if reading.Epoch > d.epoch {
			d.epoch, d.highest, d.held = reading.Epoch, 0, 0
		}
		if reading.Epoch == d.epoch {
			d.highest = max(d.highest, reading.Sequence)
			d.held++
		}
	}
}

func (d *memoryDevice) compare(other *memoryDevice) int {
	return strings.Compare(d.name, other.name)
}

func (d *memoryDevice) summary() Summary {
	return Summary{Device: d.name, LastSeen: d.readings[len(d.readings)-1].MeasuredAt, Readings: len(d.readings)}
}

// merge adds ascending items to an ascending list. It moves no more than what comes after them.
func merge[T any](list, items []T, compare func(a, b T) int) []T {
	i, j := len(list)-1, len(items)-1
	list = append(list, items...)
	for k := len(list) - 1; j >= 0; k-- {
		if i >= 0 && compare(list[i], items[j]) > 0 {
			list[k] = list[i]
			i--
		} else {
			list[k] = items[j]
			j--
		}
	}
	return list
}

// List implements Store.
func (m *Memory) List(_ context.Context, q Query) ([]Reading, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	readings := m.readings
	if q.Device != "" {
		readings = nil
		if device := m.byName[q.Device]; device != nil {
			readings = device.readings
		}
	}
	end := q.End()
	high := position(readings, &end)
	low := max(position(readings, &Reading{MeasuredAt: q.From}), high-q.Limit)
	latestFirst := make([]Reading, 0, max(0, high-low))
	for i := high - 1; i >= low; i-- {
		latestFirst = append(latestFirst, *readings[i])
	}
	return latestFirst, nil
}

// position finds where a reading is or would be. One with a time alone comes before all of its time.
func position(readings []*Reading, wanted *Reading) int {
	i, _ := slices.BinarySearchFunc(readings, wanted, (*Reading).Compare)
	return i
}

// Devices implements Store.
func (m *Memory) Devices(_ context.Context, after string, limit int) ([]Summary, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	first, found := slices.BinarySearchFunc(m.devices, &memoryDevice{name: after}, (*memoryDevice).compare)
	if found {
		first++
	}
	devices := m.devices[first:min(first+limit, len(m.devices))]
	summaries := make([]Summary, len(devices))
	for i, device := range devices {
		summaries[i] = device.summary()
	}
	return summaries, nil
}

// Device implements Store.
func (m *Memory) Device(_ context.Context, name string) (Device, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	d := m.byName[name]
	if d == nil {
		return Device{}, ErrNotFound
	}
	return Device{d.summary(), d.readings[0].MeasuredAt, d.epoch, d.highest - d.held}, nil
}
