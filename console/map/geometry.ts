import type { NodeId } from './clusters.js'
import type { Box, Places, Point } from './layout.js'

/** Where on the screen, in pixels. */

export interface Size {
  readonly width: number
  readonly height: number
}

/** How much larger than it was laid out a map is drawn at most, and how much more of it in width than in height. */
const SCALE_MAX = 1.3
const STRETCH_MAX = 1.8

/** The places of a box as pixels of a drawing, in whose middle it stands. */
export function projected(places: Places, box: Box, { width, height }: Size): Places {
  const high = Math.min(SCALE_MAX, height / box.height, width / box.width)
  const wide = Math.min(width / box.width, high * STRETCH_MAX)
  const left = (width - wide * box.width) / 2
  const top = (height - high * box.height) / 2
  const onScreen = ({ x, y }: Point): Point => ({
    x: round(left + wide * (x - box.x)),
    y: round(top + high * (y - box.y)),
  })
  return new Map([...places].map(([id, point]) => [id, onScreen(point)]))
}

/** How many nodes have room, each with its name. */
export function nodesIn({ width, height }: Size): number {
  return Math.max(8, Math.floor((width * height) / ROOM))
}

/** Square pixels for one node with its name. */
const ROOM = 9_500

/** How a line is drawn. */
export interface Curve {
  /** For `d` of an SVG path. */
  readonly path: string
  /** Where its mark stands. */
  readonly middle: Point
}

/** How far a curve leaves the straight line, by its length: lines of both directions go apart. */
const BEND = 0.14
/** From the middle of a node to where lines begin, and further to where an arrow's tip ends. */
const RADIUS = 15
const TIP = 5

/** The line from one node to another; a loop where they are the same. */
export function curveBetween(from: Point, to: Point): Curve {
  const [dx, dy] = [to.x - from.x, to.y - from.y]
  const length = Math.hypot(dx, dy)
  if (length < 2 * RADIUS) return loopAt(from)
  const bent = {
    x: (from.x + to.x) / 2 - dy * BEND,
    y: (from.y + to.y) / 2 + dx * BEND,
  }
  const begin = towards(from, bent, RADIUS)
  const end = towards(to, bent, RADIUS + TIP)
  return {
    path: `M${text(begin)}Q${text(bent)} ${text(end)}`,
    middle: {
      x: round(begin.x / 4 + bent.x / 2 + end.x / 4),
      y: round(begin.y / 4 + bent.y / 2 + end.y / 4),
    },
  }
}

function loopAt({ x, y }: Point): Curve {
  const [left, right] = [x - 9, x + 9]
  const top = y - RADIUS + 2
  return {
    path: `M${text({ x: left, y: top })}C${text({ x: x - 26, y: y - 50 })} ${text({ x: x + 26, y: y - 50 })} ${text({ x: right, y: top - TIP })}`,
    middle: { x, y: y - 42 },
  }
}

function towards(from: Point, to: Point, distance: number): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1
  return {
    x: from.x + ((to.x - from.x) * distance) / length,
    y: from.y + ((to.y - from.y) * distance) / length,
  }
}

function text({ x, y }: Point): string {
  return `${round(x)} ${round(y)}`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

export type Direction = 'ArrowLeft' | 'ArrowRight' | 'ArrowUp' | 'ArrowDown'

const TURNS: Readonly<Record<Direction, (d: Point) => Point>> = {
  ArrowRight: ({ x, y }) => ({ x, y }),
  ArrowLeft: ({ x, y }) => ({ x: -x, y }),
  ArrowDown: ({ x, y }) => ({ x: y, y: x }),
  ArrowUp: ({ x, y }) => ({ x: -y, y: x }),
}

/** The node that an arrow key goes to: the nearest one in that direction, or none. */
export function neighbour(places: Places, from: NodeId, direction: Direction): NodeId | undefined {
  const start = places.get(from)
  if (start === undefined) return undefined
  let nearest: NodeId | undefined
  let least = Number.POSITIVE_INFINITY
  for (const [id, { x, y }] of places) {
    const { x: ahead, y: aside } = TURNS[direction]({ x: x - start.x, y: y - start.y })
    // What is further aside than ahead lies in another direction.
    if (id === from || ahead <= 0 || Math.abs(aside) > 2 * ahead) continue
    const distance = ahead + 2 * Math.abs(aside)
    if (distance >= least) continue
    least = distance
    nearest = id
  }
  return nearest
}
