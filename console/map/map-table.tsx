import { useSignal } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import { goTo, linkTo } from '../app/route.js'
import { Age } from '../parts/age.js'
import { Empty } from '../parts/empty.js'
import { Field } from '../parts/field.js'
import { TextInput } from '../parts/inputs.js'
import { Name, Text } from '../parts/name.js'
import { VirtualList } from '../parts/virtual-list.js'
import type { FirstSeen } from './first-seen.js'
import type { Picture } from './map-model.js'
import { rateOf, rateText } from './rates.js'
import { compareRows, SORTINGS, type Sorting, type SortName } from './sort.js'
import type { Edge } from './traffic.js'
import { countText, newnessWords } from './words.js'

export interface MapTableProps {
  readonly picture: Picture
  readonly realm: string
  /** As the audit log is asked for the window. */
  readonly since: string
  readonly newnessOf: (pair: Edge) => FirstSeen | undefined
}

/** How often rows change places by themselves at most, milliseconds: nobody can read what moves. */
const REORDER = 5_000

/** The map as a table: for the keyboard, for a screen reader, and for numbers. */
export function MapTable({ picture, realm, since, newnessOf }: MapTableProps) {
  const sorting = useSignal<Sorting>({ by: 'rate', isDown: true })
  const wanted = useSignal('')
  const { pairs, at } = picture
  const text = wanted.value.trim().toLowerCase()
  const rows = useMemo(() => {
    const fitting =
      text === '' ? pairs : pairs.filter(pair => `${pair.client} ${pair.service}`.includes(text))
    return fitting.toSorted(compareRows(sorting.value, newnessOf))
  }, [pairs, sorting.value, text, Math.floor(at / REORDER)])
  return (
    <div class="map-table">
      <div class="map-table-tools">
        <Field label="Only names with">
          <TextInput
            isSearch
            value={wanted.value}
            onType={text => {
              wanted.value = text
            }}
          />
        </Field>
        <Sorter
          sorting={sorting.value}
          onSort={sort => {
            sorting.value = sort
          }}
        />
      </div>
      {rows.length === 0 ? (
        <Empty>Nobody asked for a ticket within the window.</Empty>
      ) : (
        <VirtualList
          rows={rows}
          rowHeight={56}
          label="Who asks whom"
          keyOf={({ client, service }) => `${client} ${service}`}
          onOpen={({ client, service }) =>
            goTo('audit', 'since', since, 'client', client, 'service', service)
          }
          render={pair => (
            <Row pair={pair} picture={picture} realm={realm} since={since} first={newnessOf(pair)} />
          )}
        />
      )}
    </div>
  )
}

function Sorter({ sorting, onSort }: { sorting: Sorting; onSort: (sorting: Sorting) => void }) {
  return (
    <fieldset class="map-sort">
      <legend>Sorted by</legend>
      {SORTINGS.map(({ by, title }) => {
        const isChosen = by === sorting.by
        return (
          <button
            key={by}
            type="button"
            class="button"
            aria-pressed={isChosen}
            onClick={() => onSort({ by, isDown: isChosen ? !sorting.isDown : startsDown(by) })}
          >
            {title}
            {isChosen && <span aria-hidden="true">{sorting.isDown ? ' ↓' : ' ↑'}</span>}
            {isChosen && (
              <span class="unseen">{sorting.isDown ? ', the most first' : ', the least first'}</span>
            )}
          </button>
        )
      })}
    </fieldset>
  )
}

function startsDown(by: SortName): boolean {
  return by !== 'client' && by !== 'service'
}

interface RowProps extends Omit<MapTableProps, 'newnessOf'> {
  readonly pair: Edge
  readonly first: FirstSeen | undefined
}

function Row({ pair, picture, realm, since, first }: RowProps) {
  const { client, service, granted, denied, denial, at, from } = pair
  return (
    <div class="map-row">
      <a
        class="map-row-names"
        tabIndex={-1}
        href={linkTo('audit', 'since', since, 'client', client, 'service', service)}
      >
        <Name name={client} realm={realm} /> <span aria-hidden="true">→</span>
        <span class="unseen">asks for</span> <Name name={service} realm={realm} />
      </a>
      <span class="map-row-facts">
        <span>{rateText(rateOf({ granted, denied: 0 }, picture.window))} a minute</span>
        {denied > 0 && <span class="map-denial">{countText(denied)} denied</span>}
        {denial !== undefined && (
          <span class="map-denial map-row-reason">
            <Text text={`${denial.code}: ${denial.reason}`} />
          </span>
        )}
        {first !== undefined && <span class="map-new">{newnessWords(first, picture.at)}</span>}
        <span class="map-quiet">
          last <Age at={at} now={picture.at} />
          {from !== '' && (
            <>
              {' from '}
              <Text text={from} />
            </>
          )}
        </span>
      </span>
    </div>
  )
}
