import { Empty } from '../parts/empty.js'
import type { ViewProps } from '../session/session.js'

export function HealthView({ session }: ViewProps) {
  return <Empty>Nothing to show of {session.realm} yet.</Empty>
}
