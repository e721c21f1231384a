import './map.css'
import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { systemClock } from '../../shared/time.js'
import { Empty } from '../parts/empty.js'
import type { Session, ViewProps } from '../session/session.js'
import type { PrincipalKind } from './directory.js'
import type { MapDrawingProps } from './drawing-props.js'
import { nodesIn, projected, type Size } from './geometry.js'
import { boxOf } from './layout.js'
import { MapBar } from './map-bar.js'
import { MapDrawing } from './map-drawing.js'
import { MapModel, WINDOWS } from './map-model.js'
import { MapNotices } from './map-notices.js'
import { MapPanel } from './map-panel.js'
import { MapTable } from './map-table.js'
import type { Edge } from './traffic.js'
import { usePlaces } from './use-places.js'

/** One model for each login: it goes on following while another view is shown. */
const models = new WeakMap<Session, MapModel>()

function modelOf(session: Session): MapModel {
  const found = models.get(session)
  if (found !== undefined) return found
  const model = new MapModel({ session, monotonic: () => systemClock.monotonic() })
  models.set(session, model)
  void model.begin()
  return model
}

/** Who authenticates whom, as the KDC's audit log tells it. */
export function MapView({ session }: ViewProps) {
  const model = useMemo(() => modelOf(session), [session])
  const isTable = useSignal(false)
  const selected = useSignal<string | undefined>(undefined)
  const picture = model.picture.value
  useEffect(() => {
    let frame = requestAnimationFrame(function draw() {
      model.frame()
      frame = requestAnimationFrame(draw)
    })
    return () => cancelAnimationFrame(frame)
  }, [model])
  const changed = session.changed.principals.value
  useEffect(() => {
    if (changed > 0) void model.directory.read(session)
  }, [model, changed])
  const services = useMemo(() => new Set(picture.pairs.map(({ service }) => service)), [picture.pairs])
  // Read, so that the view is drawn again when one of them moves.
  const versions = [model.directory.version.value, model.compared.value]
  const kindOf = useMemo(
    () =>
      (name: string): PrincipalKind =>
        model.directory.kindOf(name, services.has(name)),
    [services, ...versions],
  )
  const newnessOf = (pair: Edge) => model.firstSeens.newness(pair, picture.at)
  const shared = { picture, realm: session.realm, kindOf, newnessOf }
  const since = WINDOWS.find(({ window }) => window === picture.window)?.typed ?? '1h'
  return (
    <div class="map">
      <MapBar model={model} isTable={isTable} />
      <MapNotices session={session} model={model} />
      {isTable.value ? (
        <MapTable {...shared} since={since} />
      ) : (
        <div class="map-stage">
          <Drawn model={model} selected={selected} {...shared} />
          {selected.value !== undefined && (
            <MapPanel
              {...shared}
              selected={selected.value}
              onOpen={node => model.toggle(node)}
              onClose={() => {
                selected.value = undefined
              }}
            />
          )}
        </div>
      )}
    </div>
  )
}

interface DrawnProps {
  readonly model: MapModel
  readonly selected: { value: string | undefined }
  readonly picture: MapModel['picture']['value']
  readonly realm: string
  readonly kindOf: (name: string) => PrincipalKind
  readonly newnessOf: MapDrawingProps['newnessOf']
}

/** The map within the room that it has. */
function Drawn({ model, selected, picture, ...shared }: DrawnProps) {
  const room = useRef<HTMLDivElement>(null)
  const size = useSignal<Size>({ width: 0, height: 0 })
  useEffect(() => {
    const element = room.current
    if (element === null) return
    const observer = new ResizeObserver(() => {
      size.value = { width: element.clientWidth, height: element.clientHeight }
      model.fit(nodesIn(size.value))
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [model])
  const { width, height } = size.value
  const { nodes } = picture.clustering
  const places = usePlaces(nodes, picture.lines, height === 0 ? 1 : width / height)
  const onScreen = useMemo(
    () => projected(places.value, boxOf(places.value, { width: 320, height: 240 }), { width, height }),
    [places.value, width, height],
  )
  return (
    <div class="map-room" ref={room} data-paused={model.isPaused.value}>
      {nodes.length === 0 && model.past.value === 'read' && (
        <Empty>Nobody asked for a ticket within the window. Who does will appear here.</Empty>
      )}
      <MapDrawing
        {...shared}
        picture={picture}
        size={size.value}
        places={onScreen}
        selected={selected.value}
        onSelect={id => {
          selected.value = id
        }}
        onOpen={node => model.toggle(node)}
      />
    </div>
  )
}
