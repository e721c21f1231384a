import { Text } from '../parts/name.js'
import type { Finding } from './findings.js'

const SIGNS = { ok: 'ok', note: 'note', wrong: 'WRONG' } as const
const ORDER = ['wrong', 'note', 'ok'] as const

/** How many findings of one kind are listed: a thousand followers may be silent at once. */
const MOST = 60

/** What is wrong first. */
export function Findings({ findings }: { readonly findings: readonly Finding[] }) {
  const sorted = ORDER.flatMap(state => findings.filter(finding => finding.state === state))
  const count = findings.filter(({ state }) => state === 'wrong').length
  const sum = count === 0 ? 'Nothing is wrong' : `${count} ${count === 1 ? 'thing is' : 'things are'} wrong`
  return (
    <section class="health-part" aria-labelledby="health-findings">
      <h2 id="health-findings" class={count === 0 ? undefined : 'health-wrong'}>
        {sum}
      </h2>
      <ul class="health-findings">
        {sorted.slice(0, MOST).map(({ name, state, text, next }) => (
          <li key={`${name} ${text}`} class="health-finding">
            <span class={`health-sign health-${state}`}>{SIGNS[state]}</span>
            <span class="health-name">{name}</span>
            <span class="health-text">
              <Text text={text} />
              {next !== undefined && (
                <span class="health-next">
                  Next: <Text text={next} />
                </span>
              )}
            </span>
          </li>
        ))}
      </ul>
      {sorted.length > MOST && <p class="health-quiet">{sorted.length - MOST} more are not listed.</p>}
    </section>
  )
}
