# Reads samples, a line each: quantity, proxy, value. A round begins and ends with a sample of nginx, and
# is void when the two are more than a tenth apart; switches are the gateway's alone. Prints medians; exit code 1 when one is over its limit.

function median(values, count,   i, j, value) {
  for (i = 2; i <= count; i++) {
    value = values[i]
    for (j = i - 1; j > 0 && values[j] > value; j--) values[j + 1] = values[j]
    values[j + 1] = value
  }
  return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
}

$1 == "switches" { kept[$1, $2, ++number[$1, $2]] = $3; next }

$2 == "nginx" && ($1 in first) {
  apart = $3 > first[$1] ? $3 / first[$1] : first[$1] / $3
  rounds[$1]++
  if (apart > 1.1) {
    void[$1]++
  } else {
    for (proxy in round) if (split(proxy, part, SUBSEP) && part[1] == $1) {
      kept[proxy, ++number[proxy]] = round[proxy]
    }
    kept[$1, "nginx", ++number[$1, "nginx"]] = ($3 + first[$1]) / 2
  }
  delete first[$1]
  next
}
$2 == "nginx" { first[$1] = $3; next }
{ round[$1, $2] = $3 }

function absent(what, peer, reason) {
  printf "%-34s %-9s %s\n", what, peer, reason
  missing = 1
}

function verdict(value, limit) {
  if (value <= limit) return ""
  failed = 1
  return "  over"
}

# One line: the gateway's median beside a peer's, and how far the ratios of rounds spread.
function row(what, quantity, peer, limit, scale, unit,   i, count, ratio, own, other, ratios, least, most) {
  count = number[quantity, "gateway"] + 0
  if (!count) return absent(what, peer, rounds[quantity] ? "every round was void" : "not measured")
  for (i = 1; i <= count; i++) {
    own[i] = kept[quantity, "gateway", i]
    other[i] = kept[quantity, peer, i]
    ratio = ratios[i] = own[i] / other[i]
    if (i == 1 || ratio < least) least = ratio
    if (i == 1 || ratio > most) most = ratio
  }
  ratio = median(ratios, count)
  printf "%-34s %-9s %8.2f %8.2f %-4s %5.2f  %.2f to %.2f  %5.2f  %d of %d%s\n", what, peer, \
    median(own, count) / scale, median(other, count) / scale, unit, ratio, least, most, limit, \
    count, rounds[quantity], verdict(ratio, limit)
}

# One line for what is the gateway's alone.
function alone(what, quantity, limit,   i, count, own) {
  count = number[quantity, "gateway"] + 0
  if (!count) return absent(what, "", "not measured")
  for (i = 1; i <= count; i++) own[i] = kept[quantity, "gateway", i]
  printf "%-44s %8.3f %35s %5.2f  %d of %d%s\n", what, median(own, count), "", limit, count, count, \
    verdict(median(own, count), limit)
}

END {
  printf "%-34s %-9s %8s %8s %-4s %5s  %-12s  %5s  %s\n", "", "peer", "own", "peer's", "", "ratio", "spread", "limit", "rounds"
  row("processor time, 1 worker", "one", "nginx", 1.05, 1000, "µs")
  row("", "one", "haproxy", 1.00, 1000, "µs")
  row("", "one", "ordinary", 0.85, 1000, "µs")
  row("processor time, 2 workers", "two", "nginx", 1.05, 1000, "µs")
  row("", "two", "haproxy", 1.00, 1000, "µs")
  alone("context switches, 1 worker", "switches", 0.10)
  row("instructions of the program", "instructions", "nginx", 1.35, 1000, "k")
  row("p99 at half of nginx's rate", "tail", "nginx", 1.10, 1000, "ms")
  row("", "tail", "haproxy", 1.10, 1000, "ms")
  row("memory, 256 clients, 2 workers", "memory", "nginx", 0.75, 1000000, "MB")
  row("", "memory", "haproxy", 1.00, 1000000, "MB")
  exit failed ? 1 : missing ? 2 : 0
}
