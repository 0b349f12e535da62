# Reads samples, a line each: quantity, proxy, value. A round begins and ends with a sample of the reference, and is void
# when the two are more than a tenth apart, or as far as `tolerance` says of a quantity; what is measured of one proxy only
# is alone. Rows come from limits.awk, which is read before. Prints medians; exit code 1 when one is over its limit.

function median(values, count,   i, j, value) {
  for (i = 2; i <= count; i++) {
    value = values[i]
    for (j = i - 1; j > 0 && values[j] > value; j--) values[j + 1] = values[j]
    values[j + 1] = value
  }
  return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
}

BEGIN {
  printf "%-34s %-9s %8s %8s %-5s %5s  %-12s  %5s  %s\n", "", "peer", "own", "peer's", "", "ratio", "spread", "limit", "rounds"
}

$2 == "alone" { kept[$1, $2, ++number[$1, $2]] = $3; next }

$2 == reference && ($1 in first) {
  apart = $3 > first[$1] ? $3 / first[$1] : first[$1] / $3
  rounds[$1]++
  if (apart <= ($1 in tolerance ? tolerance[$1] : 1.1)) {
    for (proxy in round) if (split(proxy, part, SUBSEP) && part[1] == $1) {
      kept[proxy, ++number[proxy]] = round[proxy]
    }
    kept[$1, reference, ++number[$1, reference]] = ($3 + first[$1]) / 2
  }
  delete first[$1]
  next
}
$2 == reference { first[$1] = $3; next }
{ round[$1, $2] = $3 }

function absent(what, peer, reason) {
  printf "%-34s %-9s %s\n", what, peer, reason
  missing = 1
}

function verdict(value, limit) {
  if (limit == "" || value <= limit) return ""
  failed = 1
  return "  over"
}

function shown(limit) { return limit == "" ? "" : sprintf("%.2f", limit) }

# One line: our own median beside a peer's, and how far the ratios of rounds spread. A limit may be empty.
function row(what, quantity, peer, limit, scale, unit,   i, count, ratio, own, other, ratios, least, most) {
  count = number[quantity, "own"] + 0
  if (!count) return absent(what, peer, rounds[quantity] ? "every round was void" : "not measured")
  for (i = 1; i <= count; i++) {
    own[i] = kept[quantity, "own", i]
    other[i] = kept[quantity, peer, i]
    ratio = ratios[i] = own[i] / other[i]
    if (i == 1 || ratio < least) least = ratio
    if (i == 1 || ratio > most) most = ratio
  }
  ratio = median(ratios, count)
  printf "%-34s %-9s %8.2f %8.2f %-5s %5.2f  %-12s  %5s  %d of %d%s\n", what, peer, \
    median(own, count) / scale, median(other, count) / scale, unit, ratio, sprintf("%.2f to %.2f", least, most), \
    shown(limit), count, rounds[quantity], verdict(ratio, limit)
}

# One line for what is our own alone.
function alone(what, quantity, limit, scale, unit,   i, count, own) {
  count = number[quantity, "alone"] + 0
  if (!count) return absent(what, "", "not measured")
  for (i = 1; i <= count; i++) own[i] = kept[quantity, "alone", i] / scale
  printf "%-44s %8.3f %8s %-5s %5s  %-12s  %5s  %d of %d%s\n", what, median(own, count), "", unit, "", "", \
    shown(limit), count, count, verdict(median(own, count), limit)
}

END { exit failed ? 1 : missing ? 2 : 0 }
