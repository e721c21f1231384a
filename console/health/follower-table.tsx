import type { FollowerRow, Followers } from '../../shared/administration/revocations.js'
import { formatDuration } from '../../shared/time.js'
import { linkTo } from '../app/route.js'
import { Name, Text } from '../parts/name.js'
import { VirtualList } from '../parts/virtual-list.js'

/** Pixels. */
const ROW = 52
const BORDER = 2

/** Who follows the revocation log, from where, what it has applied, and how long it was silent. */
export function FollowerTable({
  followers,
  realm,
}: {
  readonly followers: Followers
  readonly realm: string
}) {
  const { rows, applied, silent, keptFor } = followers
  const unnamed = applied + silent - rows.length
  return (
    <section class="health-part" aria-labelledby="health-followers">
      <h2 id="health-followers">Followers of the revocation log</h2>
      <p class="health-quiet">
        This KDC has kept the list for {formatDuration(keptFor)}.
        {unnamed > 0 && ` ${unnamed} more are not named.`}
      </p>
      <div class="health-followers" style={{ height: `${Math.max(1, rows.length) * ROW + BORDER}px` }}>
        <VirtualList
          rows={rows}
          rowHeight={ROW}
          label="Followers of the revocation log"
          keyOf={({ principal, address }) => `${principal} ${address}`}
          render={row => <Follower row={row} realm={realm} />}
        />
      </div>
    </section>
  )
}

function Follower({ row, realm }: { readonly row: FollowerRow; readonly realm: string }) {
  const { principal, address, seen, sent, connected, silentFor } = row
  const behind = sent - seen
  return (
    <div class="health-follower">
      <a href={linkTo('principals', principal)} tabIndex={-1}>
        <Name name={principal} realm={realm} />
      </a>
      <span class="health-quiet">
        <Text text={address} />
      </span>
      <span class={connected ? undefined : 'health-note'}>{connected ? 'connected' : 'gone'}</span>
      <span class={behind > 0 ? 'health-note' : 'health-quiet'}>
        {behind > 0 ? `entry ${seen}, ${behind} behind` : `entry ${seen}`}
      </span>
      <span class="health-quiet">heard {formatDuration(silentFor)} ago</span>
    </div>
  )
}
