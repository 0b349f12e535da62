# What is measured of an ingest, and what it may come to.

# Times that a device waits are spread wider than what a processor does.
BEGIN { tolerance["p50"] = tolerance["p99"] = tolerance["p999"] = 2 }

END {
  row("processor time of a reading", "reading", "ordinary", "", 1000, "µs")
  row("context switches of a reading", "switches", "ordinary", "", 1, "")
  row("readings a second, one worker", "rate", "ordinary", "", 1000, "k/s")
  row("the most memory", "memory", "ordinary", "", 1000000, "MB")
  row("the same, evenly loaded", "even", "ordinary", "", 1000, "µs")
  row("until half are acknowledged, so", "p50", "ordinary", "", 1000, "ms")
  row("99 of 100", "p99", "ordinary", "", 1000, "ms")
  row("999 of 1 000", "p999", "ordinary", "", 1000, "ms")
  alone("99 of 100 beside half", "tail", 3, 1, "")
  alone("time for a reading, two workers", "whole", 10, 1, "µs")
}
