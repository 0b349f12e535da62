# What is measured of a proxy of connections, and what it may come to beside a peer.

END {
  row("processor time of a connection", "connection", "nginx", 1.00, 1000, "µs")
  row("", "connection", "haproxy", 1.00, 1000, "µs")
  row("", "connection", "ordinary", "", 1000, "µs")
  alone("context switches of a connection", "switches", 0.10, 1, "")
  row("processor time of a GiB", "gibibyte", "nginx", 1.00, 1000000, "ms")
  row("", "gibibyte", "haproxy", 1.00, 1000000, "ms")
  row("", "gibibyte", "ordinary", "", 1000000, "ms")
  row("throughput", "throughput", "nginx", "", 1, "MiB/s")
  row("", "throughput", "haproxy", "", 1, "MiB/s")
  row("", "throughput", "ordinary", "", 1, "MiB/s")
  row("memory, idle clients, 2 workers", "memory", "nginx", 0.75, 1000000, "MB")
  row("", "memory", "haproxy", 1.00, 1000000, "MB")
  alone("memory of an idle connection", "idle", 12, 1024, "KiB")
}
