import type { DueKey } from '../../shared/administration/keys.js'
import { Age, Until } from '../parts/age.js'
import { ScrollPlace } from '../parts/scroll-place.js'
import type { Detail } from './detail.js'

export interface KeysPartProps {
  readonly detail: Detail
  readonly due: DueKey | undefined
  readonly now: number
}

export function KeysPart({ detail: { summary, party }, due, now }: KeysPartProps) {
  const keys = party?.keys ?? []
  return (
    <section class="section">
      <h3>Keys</h3>
      {summary.kvnos.length === 0 && <p>It has no key: invite it, or replace its key.</p>}
      {keys.length === 0 && summary.kvnos.length > 0 && <p>kvno {summary.kvnos.join(', ')}</p>}
      {keys.length > 0 && (
        <ScrollPlace label="Keys">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">kvno</th>
                <th scope="col">State</th>
                <th scope="col">Since</th>
              </tr>
            </thead>
            <tbody>
              {keys.map(({ kvno, state, createdAt }) => (
                <tr key={kvno}>
                  <th scope="row">{kvno}</th>
                  <td>
                    {STATE_WORDS[state]}
                    {state === 'current' && summary.passwordBased && ', from a password'}
                  </td>
                  <td>
                    <Age at={createdAt} now={now} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollPlace>
      )}
      <DueText at={party?.due ?? due?.due ?? null} askedAt={due?.askedAt ?? null} now={now} />
      {party !== null && party.revokedAt !== null && (
        <p>
          Its tickets from before <Age at={party.revokedAt} now={now} /> are revoked: the TGTs that it has now
          are of a later series.
        </p>
      )}
      {party !== null && party.revokedKvno !== null && (
        <p>Tickets for it under kvno {party.revokedKvno} and older are revoked.</p>
      )}
    </section>
  )
}

const STATE_WORDS = {
  current: 'current',
  next: 'next: its holder has not shown yet that it has it',
  old: 'old: opens tickets in hand',
} as const

interface DueTextProps {
  readonly at: number | null
  readonly askedAt: number | null
  readonly now: number
}

function DueText({ at, askedAt, now }: DueTextProps) {
  if (at === null) return null
  return (
    <p>
      {at <= now ? (
        <span class="badge badge-warn">due</span>
      ) : (
        <>
          Due to change <Until at={at} now={now} />.
        </>
      )}{' '}
      {at <= now && (
        <>
          The key has been due to change since <Age at={at} now={now} />
          {askedAt === null ? ', by its age.' : '.'}
        </>
      )}
      {askedAt !== null && (
        <>
          {' '}
          It was asked for a new one <Age at={askedAt} now={now} />.
        </>
      )}
    </p>
  )
}
