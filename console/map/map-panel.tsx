import { linkTo } from '../app/route.js'
import { Age } from '../parts/age.js'
import { Button } from '../parts/button.js'
import { Name, Text } from '../parts/name.js'
import type { MapNode, NodeId } from './clusters.js'
import type { PrincipalKind } from './directory.js'
import type { FirstSeen } from './first-seen.js'
import { type Picture, WINDOWS } from './map-model.js'
import type { Edge } from './traffic.js'
import { KIND_WORDS, newnessWords, rateWords } from './words.js'

export interface MapPanelProps {
  readonly picture: Picture
  readonly realm: string
  /** A node or a line. */
  readonly selected: string
  readonly kindOf: (name: string) => PrincipalKind
  readonly newnessOf: (pair: Edge) => FirstSeen | undefined
  readonly onOpen: (node: NodeId) => void
  readonly onClose: () => void
}

/** How many pairs are listed: the table has all. */
const PAIRS_SHOWN = 40

/** What was chosen on the map, with the way to its lines in the audit log. */
export function MapPanel(props: MapPanelProps) {
  const { picture, selected, realm, onClose } = props
  const node = picture.clustering.nodes.find(({ id }) => id === selected)
  const line = picture.lines.find(({ id }) => id === selected)
  const pairs = node === undefined ? (line?.pairs ?? []) : pairsOf(node, picture)
  const busiest = pairs.toSorted((a, b) => b.granted + b.denied - (a.granted + a.denied))
  return (
    <aside class="map-panel" aria-label="What was chosen on the map">
      <div class="map-panel-head">
        <h2>{node === undefined ? 'Tickets' : <NodeName node={node} realm={realm} />}</h2>
        <Button onPress={onClose}>Close</Button>
      </div>
      {node !== undefined && <AboutNode node={node} {...props} />}
      {busiest.length === 0 && <p class="map-quiet">Nothing within the window.</p>}
      <ul class="map-pairs">
        {busiest.slice(0, PAIRS_SHOWN).map(pair => (
          <Pair key={`${pair.client} ${pair.service}`} pair={pair} {...props} />
        ))}
      </ul>
      {busiest.length > PAIRS_SHOWN && (
        <p class="map-quiet">{busiest.length - PAIRS_SHOWN} more are in the table.</p>
      )}
    </aside>
  )
}

function pairsOf({ members }: MapNode, { pairs }: Picture): readonly Edge[] {
  const within = new Set(members)
  return pairs.filter(({ client, service }) => within.has(client) || within.has(service))
}

function NodeName({ node: { kind, name, members }, realm }: { node: MapNode; realm: string }) {
  return kind === 'others' ? <>{members.length} others</> : <Name name={name} realm={realm} />
}

function AboutNode({ node, picture, kindOf, onOpen }: MapPanelProps & { node: MapNode }) {
  if (node.kind !== 'principal')
    return (
      <p class="map-panel-acts">
        <span>{node.members.length} principals, drawn as one</span>
        <Button onPress={() => onOpen(node.id)}>Draw each</Button>
      </p>
    )
  const { name } = node
  const refusal = picture.refusals.find(({ client }) => client === name)
  const since = typedWindow(picture.window)
  return (
    <>
      <p class="map-panel-acts">
        <span>{KIND_WORDS[kindOf(name)]}</span>
        <a href={linkTo('principals', name)}>Principal</a>
        <a href={linkTo('audit', 'since', since, 'client', name)}>What it asked for</a>
        <a href={linkTo('audit', 'since', since, 'service', name)}>What was asked of it</a>
      </p>
      {refusal !== undefined && (
        <p class="map-denial">
          Refused <Age at={refusal.at} now={picture.at} />:{' '}
          <Text text={`${refusal.code}: ${refusal.reason}`} />
        </p>
      )}
    </>
  )
}

function Pair({ pair, picture, realm, newnessOf }: MapPanelProps & { pair: Edge }) {
  const { client, service, denial, at } = pair
  const first = newnessOf(pair)
  const since = typedWindow(picture.window)
  return (
    <li class="map-pair">
      <a
        class="map-pair-names"
        href={linkTo('audit', 'since', since, 'client', client, 'service', service)}
        title="Its lines in the audit log"
      >
        <Name name={client} realm={realm} /> <span aria-hidden="true">→</span>
        <span class="unseen">asks for</span> <Name name={service} realm={realm} />
      </a>
      <span class="map-quiet">
        {rateWords(pair, picture.window)}, last <Age at={at} now={picture.at} />
      </span>
      {first !== undefined && <span class="map-new">{newnessWords(first, picture.at)}</span>}
      {denial !== undefined && (
        <span class="map-denial">
          Denied <Age at={denial.at} now={picture.at} />: <Text text={`${denial.code}: ${denial.reason}`} />
        </span>
      )}
    </li>
  )
}

/** The window as the audit log is asked for it. */
function typedWindow(window: number): string {
  return WINDOWS.find(each => each.window === window)?.typed ?? '1h'
}
