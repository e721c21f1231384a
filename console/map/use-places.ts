import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { systemClock } from '../../shared/time.js'
import type { MapEdge, MapNode } from './clusters.js'
import { Layout, type Places } from './layout.js'

/** How long the layout may take of one frame, milliseconds: the page is drawn meanwhile. */
const SLICE = 4

/**
 * The places of nodes, which move while the layout goes on, a few milliseconds in each frame. With reduced motion they are
 * there at once, when it is done.
 */
export function usePlaces(
  nodes: readonly MapNode[],
  edges: readonly MapEdge[],
  aspect: number,
): Signal<Places> {
  const places = useSignal<Places>(new Map())
  // A new line between the same nodes moves nothing.
  const names = nodes.map(({ id }) => id).join('\n')
  useEffect(() => {
    const layout = new Layout({ nodes, edges, before: places.peek(), aspect })
    const isStill = matchMedia('(prefers-reduced-motion: reduce)').matches
    let frame = 0
    const go = (): void => {
      const end = systemClock.monotonic() + SLICE
      let reached = layout.step(0)
      while (!layout.isDone && systemClock.monotonic() < end) reached = layout.step(2)
      if (layout.isDone || !isStill) places.value = reached
      if (!layout.isDone) frame = requestAnimationFrame(go)
    }
    go()
    return () => cancelAnimationFrame(frame)
  }, [names])
  return places
}
