import type { ComponentChildren } from 'preact'

export type NoticeKind = 'info' | 'good' | 'warn' | 'bad'

const WORD: Readonly<Record<NoticeKind, string>> = { info: 'Note', good: 'Done', warn: 'Mind', bad: 'Failed' }

/** Something that should be read, and what to do about it. A `bad` one is read aloud at once. */
export function Notice({
  kind,
  children,
}: {
  readonly kind: NoticeKind
  readonly children: ComponentChildren
}) {
  return (
    <div class={`notice notice-${kind}`} role={kind === 'bad' ? 'alert' : 'status'}>
      <strong class="notice-word">{WORD[kind]}</strong>
      <div>{children}</div>
    </div>
  )
}
