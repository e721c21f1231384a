import type { FunctionComponent } from 'preact'
import { AuditView } from '../audit/audit-view.js'
import { HealthView } from '../health/health-view.js'
import { InvitationsView } from '../invitations/invitations-view.js'
import { MapView } from '../map/map-view.js'
import { PolicyView } from '../policy/policy-view.js'
import { PrincipalsView } from '../principals/principals-view.js'
import type { ViewProps } from '../session/session.js'
import type { ViewName } from './route.js'

/** The views of the console, in the order of the navigation. */
export const VIEWS: Readonly<Record<ViewName, { title: string; View: FunctionComponent<ViewProps> }>> = {
  map: { title: 'Map', View: MapView },
  principals: { title: 'Principals', View: PrincipalsView },
  policy: { title: 'Policy', View: PolicyView },
  invitations: { title: 'Invitations', View: InvitationsView },
  audit: { title: 'Audit', View: AuditView },
  health: { title: 'Health', View: HealthView },
}
