import { Button } from '../parts/button.js'
import { Notice } from '../parts/notice.js'
import { type FollowedLines, unseenWords } from './followed-lines.js'

/** Says in which time nothing was seen, until somebody has read it. */
export function UnseenNotice({ lines }: { readonly lines: FollowedLines }) {
  const unseen = lines.unseen.value
  if (unseen === undefined) return null
  return (
    <Notice kind="info">
      {unseenWords(unseen)}{' '}
      <Button
        onPress={() => {
          lines.unseen.value = undefined
        }}
      >
        I have read it
      </Button>
    </Notice>
  )
}
