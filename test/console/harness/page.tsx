import { render } from 'preact'
import { useEffect } from 'preact/hooks'
import '../../../console/style/tokens.css'
import '../../../console/style/base.css'
import '../../../console/style/parts.css'
import { followAddress, linkTo, route, VIEW_NAMES } from '../../../console/app/route.js'
import { AuditView } from '../../../console/audit/audit-view.js'
import { HealthView } from '../../../console/health/health-view.js'
import { MapView } from '../../../console/map/map-view.js'
import { DAY, HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { KeptLog } from './log.js'
import { administrationBesides, principalsFor, type Scale, Traffic } from './realm.js'
import { harnessSession } from './session.js'

/** The map, the audit log and health over a realm that is in the page: `?principals=10000&rate=500`. */

const asked = new URLSearchParams(location.search)
const scale: Scale = {
  principals: Number(asked.get('principals') ?? 24),
  rate: Number(asked.get('rate') ?? 2),
  hostile: asked.has('hostile'),
}
const log = new KeptLog()
const now = () => Date.now()
const traffic = new Traffic(log, scale)
for (let at = now() - 3 * HOUR; at < now() - 5 * SECOND; at += MINUTE) traffic.write(at, 4)
const session = harnessSession({
  log,
  now,
  principals: principalsFor(scale),
  administration: administrationBesides(now, DAY),
})
const PACE = 50
let owed = 0
if (!asked.has('still'))
  setInterval(() => {
    owed += (scale.rate * PACE) / SECOND
    traffic.write(now(), Math.floor(owed))
    owed -= Math.floor(owed)
  }, PACE)
Object.assign(window, { harness: { log, session, traffic } })

const VIEWS = { map: MapView, audit: AuditView, health: HealthView }

function Page() {
  useEffect(followAddress, [])
  const { view, rest } = route.value
  const View = VIEWS[view as keyof typeof VIEWS] ?? MapView
  return (
    <div class="shell">
      <header class="top">
        <span class="top-realm">demo.example</span>
      </header>
      <nav class="views" aria-label="Views">
        {VIEW_NAMES.map(name => (
          <a key={name} href={linkTo(name)} aria-current={name === view ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <main class="view" data-lost={session.link.value === 'lost'}>
        <h1>{view}</h1>
        <div class="view-body">
          <View session={session} rest={rest} />
        </div>
      </main>
    </div>
  )
}

const place = document.getElementById('console')
if (place !== null) render(<Page />, place)
