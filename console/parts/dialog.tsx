import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

export interface DialogProps {
  readonly title: string
  /** Called for Escape, and before the dialog is taken away by what is outside of it. */
  readonly onCancel: () => void
  readonly children: ComponentChildren
}

/** A question before the page. The platform keeps focus in it, and gives it back to where it was. */
export function Dialog({ title, onCancel, children }: DialogProps) {
  const place = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const before = document.activeElement
    place.current?.showModal()
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <dialog
      ref={place}
      class="dialog"
      aria-labelledby={id}
      onCancel={event => {
        // The owner takes it away, or does not.
        event.preventDefault()
        onCancel()
      }}
      // A second Escape closes it without asking: it stays for as long as its owner has it.
      onClose={event => event.currentTarget.showModal()}
    >
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  )
}
