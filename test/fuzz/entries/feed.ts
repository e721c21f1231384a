import { formatSavedFeed, parseSavedFeed } from '../../../service/feed/saved-feed.js'
import { toBase64url } from '../../../shared/bytes.js'
import { checkOf } from '../../../shared/crypto/check.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { type Entry, type Measure, ofText, outcomeOf, requireSame, textOf } from '../entry.js'

/** What a service that follows the log of what is revoked leaves for its next start. */

const [logId, other] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)]
const saved = {
  service: parsePrincipal('orders@demo.example'),
  sent: 1_800_000_000_000,
  outage: 0,
  lastKvno: 2,
}
const entries = [
  { seq: 3, by: new Uint8Array(8).fill(3) },
  { seq: 4, by: new Uint8Array(16).fill(4) },
]

const seeds = ofText(
  formatSavedFeed({ ...saved, position: null, logs: [] }),
  formatSavedFeed({
    ...saved,
    outage: 86_400_000,
    position: { logId, seq: 4, mark: new Uint8Array(8).fill(5) },
    logs: [
      { logId: other, keepUntil: 1_800_003_600_000, entries: entries.slice(0, 1) },
      { logId, keepUntil: 1_800_007_200_000, entries },
    ],
  }),
)

function again(text: string, measure: Measure): void {
  requireSame(formatSavedFeed(measure(() => parseSavedFeed(text))), text)
}

/** The text with a right last line, however the others were changed. */
function withCheck(text: string): string {
  const lines = text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1)
  return `${lines}check ${toBase64url(checkOf(new TextEncoder().encode(lines)))}\n`
}

export const feedEntries: readonly Entry[] = [
  {
    name: 'saved feed',
    form: 'text',
    seeds,
    run: (input, measure) => outcomeOf(() => again(textOf(input), measure), ['malformed']),
  },
  {
    name: 'saved feed with a check that holds',
    form: 'text',
    seeds,
    run: (input, measure) => outcomeOf(() => again(withCheck(textOf(input)), measure), ['malformed']),
  },
]
