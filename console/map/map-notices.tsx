import { linkTo } from '../app/route.js'
import { Age } from '../parts/age.js'
import { Text } from '../parts/name.js'
import { Notice } from '../parts/notice.js'
import type { Session } from '../session/session.js'
import { UnseenNotice } from '../session/unseen-notice.js'
import type { MapModel, Picture } from './map-model.js'
import { Shape } from './shape.js'
import { comparedWords } from './words.js'

/** What the map does not show, and why; and what its signs mean. */
export function MapNotices({ session, model }: { readonly session: Session; readonly model: MapModel }) {
  const picture = model.picture.value
  const past = model.past.value
  const { state } = session.live
  return (
    <div class="map-notices">
      {state.value === 'none' && (
        <Notice kind="warn">
          There is nothing to draw: this KDC keeps no audit log (it was started with --without-audit), or you
          may not read it.
        </Notice>
      )}
      {state.value === 'lost' && (
        <Notice kind="warn">
          Nothing is seen since {model.lines.last?.at.slice(11, 19) ?? 'the beginning'} UTC. It is read from
          the log once the connection is back.
        </Notice>
      )}
      <UnseenNotice lines={model.lines} />
      {past === 'reading' && <p class="map-quiet">The log from before is being read.</p>}
      {typeof past === 'object' && state.value !== 'none' && (
        <Notice kind="bad">
          What was before this page could not be read: <Text text={past.failure} />
        </Notice>
      )}
      <LeftOut picture={picture} />
      <Unproved picture={picture} />
      <Legend since={comparedWords(model.firstSeens.since, picture.at)} />
    </div>
  )
}

function LeftOut({ picture: { omitted, unkept } }: { readonly picture: Picture }) {
  return (
    <>
      {omitted > 0 && (
        <Notice kind="warn">
          The KDC left {omitted} lines out of its log since this page was opened, of requesters that filled
          their share of it: what is counted here is too low.
        </Notice>
      )}
      {unkept > 0 && (
        <Notice kind="warn">
          {unkept} requests for tickets are not drawn: there are too many pairs, or one client asks for ever
          new names that it is denied. The audit log has them.
        </Notice>
      )}
    </>
  )
}

/** Requests of which nobody knows whose they are. */
function Unproved({ picture: { refusals, at } }: { readonly picture: Picture }) {
  const unproved = refusals.filter(({ client }) => client === undefined)
  const [last] = unproved
  if (last === undefined) return null
  const addresses = new Set(unproved.map(({ from }) => from)).size
  return (
    <p class="map-denial">
      {unproved.length} {unproved.length === 1 ? 'request' : 'requests'} from {addresses}{' '}
      {addresses === 1 ? 'address' : 'addresses'} refused that proved no key, the last{' '}
      <Age at={last.at} now={at} /> (<Text text={last.code} />
      ): <a href={linkTo('audit', 'outcome', 'refused')}>look at them</a>
    </p>
  )
}

const SIGNS = [
  ['service', 'service'],
  ['person', 'person'],
  ['machine', 'client alone'],
  ['cluster', 'several'],
] as const

function Legend({ since }: { readonly since: string }) {
  return (
    <details class="map-legend map-quiet">
      <summary>What the signs and numbers say</summary>
      <p class="map-signs">
        {SIGNS.map(([kind, word]) => (
          <span key={kind} class="map-sign">
            <svg class={`map-node-${kind}`} width="22" height="22" viewBox="-18 -18 36 36" aria-hidden="true">
              <Shape kind={kind} />
            </svg>
            {word}
          </span>
        ))}
        <span class="map-sign map-denial">✕ denied</span>
        <span class="map-sign">
          <span class="map-new">new</span> first seen in the last hour
        </span>
      </p>
      <p>
        A wider line has more tickets a minute, a pale one had its last ticket a while ago. A client calls a
        service any number of times with one ticket, until it ends: the KDC does not see these calls, and the
        services log them. Logins are not drawn. {since}
      </p>
    </details>
  )
}
