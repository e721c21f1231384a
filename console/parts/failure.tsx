import type { Failure } from './act.js'
import { Text } from './name.js'
import { Notice } from './notice.js'

/** What went wrong, and what to do next. */
export function FailureNotice({ failure }: { readonly failure: Failure }) {
  return (
    <Notice kind="bad">
      <Text text={failure.message} />
      {failure.hint !== undefined && (
        <p class="notice-hint">
          <Text text={failure.hint} />
        </p>
      )}
    </Notice>
  )
}
