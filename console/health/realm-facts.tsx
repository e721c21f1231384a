import type { RealmSummary } from '../../shared/administration/realm.js'
import { formatDuration } from '../../shared/time.js'
import { timeWords } from '../parts/words.js'

/** What the realm is set to, as `orthrus admin realm` shows it. */
export function RealmFacts({ realm }: { readonly realm: RealmSummary }) {
  return (
    <section class="health-part" aria-labelledby="health-realm">
      <h2 id="health-realm">Realm</h2>
      <dl class="health-facts">
        {factsOf(realm).map(([word, value]) => [
          <dt key={word}>{word}</dt>,
          <dd key={`${word} value`}>{value}</dd>,
        ])}
      </dl>
    </section>
  )
}

function factsOf({ maxTgtLife, maxServiceLife, maxRenew, ...rest }: RealmSummary): [string, string][] {
  const { realm, longestLife, rotation, survive, createdAt } = rest
  const age = (milliseconds: number | null) =>
    milliseconds === null ? 'never' : formatDuration(milliseconds)
  return [
    ['realm', realm],
    ['longest TGT', formatDuration(maxTgtLife)],
    ['longest ticket for a service', formatDuration(maxServiceLife)],
    ['TGTs renewed for', formatDuration(maxRenew)],
    ['survives without a KDC', survive === null ? 'not set' : formatDuration(survive)],
    ['longest ever', `${formatDuration(longestLife)} (old keys and revocations are kept as long)`],
    ['key of krbtgt changes after', age(rotation.krbtgt)],
    ['key of kdc changes after', age(rotation.kdc)],
    ['other keys are due after', age(rotation.principals)],
    ['created', `${timeWords(createdAt)} UTC`],
  ]
}
