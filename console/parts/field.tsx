import { type ComponentChildren, cloneElement, type VNode } from 'preact'
import { useId } from 'preact/hooks'

/** What ties an input to its label, its hint and what is wrong with it. */
export interface Labelled {
  readonly id?: string
  readonly 'aria-label'?: string
  readonly 'aria-describedby'?: string | undefined
  readonly 'aria-invalid'?: boolean
}

export interface FieldProps {
  readonly label: string
  readonly hint?: ComponentChildren
  readonly error?: string | undefined
  /** One `TextInput`, `Choice`, `input` or `textarea`. */
  readonly children: VNode<Labelled>
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
