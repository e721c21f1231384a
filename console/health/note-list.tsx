import type { AuditLine } from '../../shared/administration/audit-line.js'
import { formatDuration } from '../../shared/time.js'
import { linkTo } from '../app/route.js'
import { Age } from '../parts/age.js'
import { Empty } from '../parts/empty.js'
import { Name, Text } from '../parts/name.js'
import { detailWords, NOTES_SINCE, replicasIn } from './kdc-notes.js'

export interface NoteListProps {
  readonly notes: readonly AuditLine[]
  readonly now: number
  readonly realm: string
}

/** How many notes are listed: the audit log has all. */
const MOST = 20

/** What the KDC noted of itself in its audit log. */
export function NoteList({ notes, now, realm }: NoteListProps) {
  const replicas = replicasIn(notes)
  return (
    <section class="health-part" aria-labelledby="health-notes">
      <h2 id="health-notes">What the KDC noted of itself in the last {formatDuration(NOTES_SINCE)}</h2>
      {replicas.length > 0 && (
        <p class="health-quiet">
          Several KDCs share this realm, and each has a log of its own: this page shows that of{' '}
          <Text text={replicas.join(', ')} />.
        </p>
      )}
      {notes.length === 0 ? (
        <Empty>Nothing.</Empty>
      ) : (
        <ul class="health-notes">
          {notes.slice(0, MOST).map(line => (
            <Note key={line.n} line={line} now={now} realm={realm} />
          ))}
        </ul>
      )}
      <a href={linkTo('audit', 'since', '7d', 'kind', 'kdc')}>All of them in the audit log</a>
    </section>
  )
}

function Note({
  line,
  now,
  realm,
}: {
  readonly line: AuditLine
  readonly now: number
  readonly realm: string
}) {
  const { at, kind, outcome, reason = '', client, count, details } = line
  return (
    <li>
      <span class="health-quiet">
        <Age at={Date.parse(at)} now={now} />
      </span>{' '}
      <span class={outcome === 'failed' ? 'health-wrong' : undefined}>
        {kind === 'log' && 'the log: '}
        <Text text={reason} />
      </span>
      {client !== undefined && (
        <>
          {' '}
          <Name name={client} realm={realm} />
        </>
      )}
      {count !== undefined && ` ${count} of them`}
      {details !== undefined && (
        <span class="health-quiet">
          {' '}
          <Text text={detailWords(details, realm)} />
        </span>
      )}
    </li>
  )
}
