import type { ComponentChildren } from 'preact'

export interface ButtonProps {
  /** `danger`: takes something away from somebody. Default `plain`. */
  readonly kind?: 'plain' | 'main' | 'danger'
  /** It works: it stays focused, and does nothing meanwhile. */
  readonly busy?: boolean
  readonly disabled?: boolean
  readonly submit?: boolean
  readonly onPress?: () => void
  readonly title?: string
  readonly children: ComponentChildren
}

export function Button({
  kind = 'plain',
  busy = false,
  disabled = false,
  submit = false,
  ...rest
}: ButtonProps) {
  const { onPress, title, children } = rest
  return (
    <button
      type={submit ? 'submit' : 'button'}
      class={`button button-${kind}`}
      disabled={disabled}
      aria-busy={busy}
      title={title}
      onClick={busy ? undefined : onPress}
    >
      {children}
    </button>
  )
}
