# What is measured of a gateway, and what it may come to beside a peer.

END {
  row("processor time, 1 worker", "one", "nginx", 1.05, 1000, "µs")
  row("", "one", "haproxy", 1.00, 1000, "µs")
  row("", "one", "ordinary", 0.85, 1000, "µs")
  row("processor time, 2 workers", "two", "nginx", 1.05, 1000, "µs")
  row("", "two", "haproxy", 1.00, 1000, "µs")
  alone("context switches, 1 worker", "switches", 0.10, 1, "")
  row("instructions of the program", "instructions", "nginx", 1.35, 1000, "k")
  row("p99 at half of nginx's rate", "tail", "nginx", 1.10, 1000, "ms")
  row("", "tail", "haproxy", 1.10, 1000, "ms")
  row("memory, 256 clients, 2 workers", "memory", "nginx", 0.75, 1000000, "MB")
  row("", "memory", "haproxy", 1.00, 1000000, "MB")
}
