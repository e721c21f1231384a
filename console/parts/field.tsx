import { type ComponentChildren, cloneElement, type VNode } from 'preact'
import { useId } from 'preact/hooks'

export interface FieldProps {
  readonly label: string
  readonly hint?: ComponentChildren
  readonly error?: string | undefined
  /** One `input`, `select` or `textarea`. */
  readonly children: VNode<{ id?: string; 'aria-describedby'?: string; 'aria-invalid'?: boolean }>
}

/** A thing to fill in, with its label, its hint and what is wrong with it, which a screen reader hears together. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId()
  const described = [hint === undefined ? '' : `${id}-hint`, error === undefined ? '' : `${id}-error`]
  const props = {
    id,
    'aria-describedby': described.join(' ').trim() || undefined,
    'aria-invalid': error !== undefined,
  }
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {cloneElement(children, props)}
      {hint !== undefined && (
        <p class="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error !== undefined && (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  )
}
