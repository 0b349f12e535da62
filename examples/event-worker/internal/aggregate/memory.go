package aggregate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/event-worker/internal/reading"
)

// Capacity is how many keys, and how many closed windows, the service keeps in memory: about 20 MiB.
const Capacity = 100_000

// Memory is a Store that ends with the process. When it is full it closes the oldest windows before their time, and
// forgets the oldest of those that are closed, and devices that are idle.
type Memory struct {
	capacity int

	mu      sync.RWMutex
	devices map[string]*memoryDevice
	keys    int            // of all devices
	closed  []closedWindow // in the order in which they did; what is relayed goes before what waits
	waiting int            // how many at the end of closed are to be relayed
}

type memoryDevice struct {
	name    string
	open    time.Time // the start of the first window that is
	reached time.Time // by its own clock
	mark    time.Time // what it had reached when it was marked
	marked  time.Time
	touched time.Time
	windows map[time.Time]*memoryWindow
	keys    map[reading.Key]struct{}
}

type closedWindow struct {
	Window
	at time.Time
}

type memoryWindow struct {
	Tally
	keys []reading.Key
}

var _ Store = (*Memory)(nil)

// NewMemory makes a store for about so many keys and closed windows.
func NewMemory(capacity int) *Memory {
	return &Memory{capacity: capacity, devices: make(map[string]*memoryDevice)}
}

// Apply implements Store.
func (m *Memory) Apply(_ context.Context, readings []reading.Reading) (outcome Outcome, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting >= m.capacity {
		return Outcome{}, fmt.Errorf("%w: %d windows wait to be relayed", ErrAway, m.waiting)
	}
	for i := range readings {
		r := &readings[i]
		device := m.device(r.Device)
		if r.MeasuredAt.After(device.reached) {
			device.reached = r.MeasuredAt.Time
		}
		start := StartOf(r.MeasuredAt.Time)
		_, known := device.keys[r.Key()]
		switch {
		case known:
			outcome.Duplicates++
		case start.Before(device.open):
			outcome.Late++
		default:
			outcome.Added++
			m.keys++
			device.add(start, r)
		}
	}
	if m.keys > m.capacity {
		m.closeOldest()
	}
	return outcome, nil
}

func (m *Memory) device(name string) *memoryDevice {
	device := m.devices[name]
	if device == nil {
		device = &memoryDevice{name: name, windows: make(map[time.Time]*memoryWindow), keys: make(map[reading.Key]struct{})}
		m.devices[name] = device
	}
	device.touched = time.Now()
	return device
}

func (d *memoryDevice) add(start time.Time, r *reading.Reading) {
	own := *r
	own.Device = d.name
	window := d.windows[start]
	if window == nil {
		window = new(memoryWindow)
		d.windows[start] = window
	}
	window.Add(&own)
	window.keys = append(window.keys, own.Key())
	d.keys[own.Key()] = struct{}{}
}

// close ends the windows of a device that begin before a time.
func (m *Memory) close(device *memoryDevice, before time.Time) {
	if !before.After(device.open) {
		return
	}
	device.open = before
	for _, start := range slices.SortedFunc(maps.Keys(device.windows), time.Time.Compare) {
		if !start.Before(before) {
			break
		}
		window := device.windows[start]
		m.closed = append(m.closed, closedWindow{window.Window(device.name, start, true), time.Now()})
		m.waiting++
		m.keys -= len(window.keys)
		for _, key := range window.keys {
			delete(device.keys, key)
		}
		delete(device.windows, start)
	}
	m.forget()
}

// forget lets go of closed windows that nobody waits for.
func (m *Memory) forget() {
	if surplus := min(len(m.closed)-m.capacity, len(m.closed)-m.waiting); surplus > m.capacity/4 {
		m.closed = slices.Clone(m.closed[surplus:])
	}
}

// closeOldest makes room for a quarter of the keys.
func (m *Memory) closeOldest() {
	type candidate struct {
		device *memoryDevice
		start  time.Time
	}
	var open []candidate
	for _, device := range m.devices {
		for start := range device.windows {
			open = append(open, candidate{device, start})
		}
	}
	slices.SortFunc(open, func(a, b candidate) int { return a.start.Compare(b.start) })
	for _, c := range open {
		if m.keys <= m.capacity-m.capacity/4 {
			return
		}
		m.close(c.device, c.start.Add(Width))
	}
}

// Close implements Store.
func (m *Memory) Close(_ context.Context, hold time.Duration) (devices int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for _, device := range m.devices {
		if ClosedBefore(device.reached).After(device.open) && now.Sub(device.marked) >= hold {
			m.close(device, ClosedBefore(device.mark))
			device.mark, device.marked = device.reached, now
			devices++
		}
	}
	return devices, nil
}

// CloseIdle implements Store.
func (m *Memory) CloseIdle(_ context.Context, idle time.Duration) (devices int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for _, device := range m.devices {
		if now.Sub(device.touched) < idle {
			continue
		}
		if !device.reached.Before(device.open) {
			m.close(device, StartOf(device.reached).Add(Width))
			devices++
		}
		if len(m.devices) > m.capacity {
			delete(m.devices, device.name)
		}
	}
	return devices, nil
}

// Finish implements Store: one call marks, the other closes.
func (m *Memory) Finish(ctx context.Context) error {
	for range 2 {
		if _, err := m.Close(ctx, 0); err != nil {
			return err
		}
	}
	return nil
}

// Relay implements Store.
func (m *Memory) Relay(
	ctx context.Context, limit int, publish func(context.Context, []Window) (done []bool, err error),
) (relayed int, err error) {
	m.mu.RLock()
	first := len(m.closed) - m.waiting
	var batch []Window
	for _, window := range m.closed[first:min(first+limit, len(m.closed))] {
		batch = append(batch, window.Window)
	}
	m.mu.RUnlock()
	if len(batch) == 0 {
		return 0, nil
	}
	done, err := publish(ctx, batch)
	m.mu.Lock()
	defer m.mu.Unlock()
	first = len(m.closed) - m.waiting // some before it may have been forgotten
	var gone, kept []closedWindow
	for i, window := range m.closed[first : first+len(batch)] {
		if done[i] {
			gone = append(gone, window)
		} else {
			kept = append(kept, window)
		}
	}
	copy(m.closed[first:], slices.Concat(gone, kept))
	m.waiting -= len(gone)
	return len(gone), err
}

// Waiting implements Store.
func (m *Memory) Waiting(context.Context) (windows int64, longest time.Duration, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.waiting == 0 {
		return 0, 0, nil
	}
	return int64(m.waiting), time.Since(m.closed[len(m.closed)-m.waiting].at), nil
}

// Forget implements Store.
func (m *Memory) Forget(_ context.Context, before time.Time) (forgotten int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := slices.IndexFunc(m.closed, func(w closedWindow) bool { return !w.at.Before(before) })
	if kept < 0 {
		kept = len(m.closed)
	}
	forgotten = min(kept, len(m.closed)-m.waiting)
	m.closed = slices.Delete(m.closed, 0, forgotten)
	for name, device := range m.devices {
		if len(device.windows) == 0 && device.touched.Before(before) {
			delete(m.devices, name)
			forgotten++
		}
	}
	return forgotten, nil
}

// Windows implements Store.
func (m *Memory) Windows(_ context.Context, q Query) ([]Window, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	found := []Window{}
	take := func(w Window) {
		if (q.Device == "" || w.Device == q.Device) && (q.From.IsZero() || !w.Start.Before(q.From.Time)) &&
			(q.To.IsZero() || w.Start.Before(q.To.Time)) {
			found = append(found, w)
		}
	}
	for _, window := range m.closed {
		take(window.Window)
	}
	for _, device := range m.devices {
		for start, window := range device.windows {
			take(window.Window(device.name, start, false))
		}
	}
	slices.SortFunc(found, func(a, b Window) int {
		return cmp.Or(strings.Compare(a.Device, b.Device), a.Start.Compare(b.Start.Time))
	})
	return found[:min(q.Limit, len(found))], nil
}
