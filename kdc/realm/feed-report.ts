import type { Feed } from '../feed/feed.js'
import type { Report } from '../report/report.js'

/** Reports from now on what the feed notices about its followers. */
export function reportFollowers(feed: Feed, report: Report): void {
  feed.onDoubled(doubled => report.tell({ kind: 'follower_doubled', ...doubled }))
}
