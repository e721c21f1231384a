import { FailureNotice } from '../parts/failure.js'
import { Notice } from '../parts/notice.js'
import type { Session } from '../session/session.js'
import { UnseenNotice } from '../session/unseen-notice.js'
import type { AuditModel } from './audit-model.js'

/** What is not among the lines, and why. */
export function AuditNotices({ session, model }: { readonly session: Session; readonly model: AuditModel }) {
  const { state } = session.live
  const progress = model.progress.value
  return (
    <>
      {progress.kind === 'failed' && <FailureNotice failure={progress.failure} />}
      {state.value === 'none' && progress.kind !== 'failed' && (
        <Notice kind="warn">
          New lines are not seen as they are written: this KDC keeps no audit log, or you may read it about
          one of your services at a time alone. Search for the name of the service.
        </Notice>
      )}
      {state.value === 'lost' && (
        <Notice kind="warn">
          Nothing new is seen since {model.lines.last?.at.slice(11, 19) ?? 'the beginning'} UTC. It is read
          from the log once the connection is back.
        </Notice>
      )}
      <UnseenNotice lines={model.lines} />
    </>
  )
}
