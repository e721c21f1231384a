import type { NodeId } from './clusters.js'
import type { PrincipalKind } from './directory.js'
import type { FirstSeen } from './first-seen.js'
import type { Size } from './geometry.js'
import type { Places } from './layout.js'
import type { Picture } from './map-model.js'
import type { Edge } from './traffic.js'

/** What the drawing of the map, its lines and its nodes are given. */
export interface MapDrawingProps {
  readonly picture: Picture
  readonly realm: string
  readonly size: Size
  /** Pixels. */
  readonly places: Places
  readonly selected: string | undefined
  readonly kindOf: (name: string) => PrincipalKind
  readonly newnessOf: (pair: Edge) => FirstSeen | undefined
  readonly onSelect: (id: string) => void
  readonly onOpen: (node: NodeId) => void
}
