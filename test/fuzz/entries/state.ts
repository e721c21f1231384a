import { formatState, parseState } from '../../../service/restart/saved-state.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { type Entry, ofText, outcomeOf, requireSame, textOf } from '../entry.js'

/** What an orderly end of a service leaves for its next start. */

const state = {
  service: parsePrincipal('orders@demo.example'),
  boot: '0b6bd4a2-8f8e-4a53-9b55-30c6b1a1f0d7',
  wall: 1_800_000_000_000,
  uptime: 86_400_000,
  floor: 1_800_000_000_100,
  run: new Uint8Array(16).fill(1),
}
const mac = new Uint8Array(32).fill(2)

export const stateEntries: readonly Entry[] = [
  {
    name: 'saved state',
    form: 'text',
    seeds: ofText(
      formatState({
        state,
        macs: new Map([
          [2, mac],
          [1, mac],
        ]),
      }),
      formatState({ state: { ...state, boot: '' }, macs: new Map() }),
    ),
    run: (input, measure) =>
      outcomeOf(() => {
        const text = textOf(input)
        requireSame(formatState(measure(() => parseState(text))), text)
      }, ['malformed']),
  },
]
