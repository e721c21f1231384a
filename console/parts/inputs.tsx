import type { Labelled } from './field.js'

export interface TextInputProps extends Labelled {
  readonly value: string
  readonly onType: (text: string) => void
  /** Shown as what looks for something, and emptied by Escape. */
  readonly isSearch?: boolean
  readonly name?: string
  readonly placeholder?: string
  readonly readOnly?: boolean
  readonly class?: string
}

/** A line of text that is not prose: nothing completes it, corrects it, or makes its first letter a capital. */
export function TextInput({ onType, isSearch = false, class: more = '', ...rest }: TextInputProps) {
  const props = {
    class: `input ${more}`.trim(),
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: false,
    ...rest,
    onInput: (event: { readonly currentTarget: HTMLInputElement }) => onType(event.currentTarget.value),
  } as const
  return isSearch ? <input type="search" {...props} /> : <input type="text" {...props} />
}

export interface ChoiceProps<T extends string> extends Labelled {
  readonly value: T
  /** Each with its words, the first on top. */
  readonly options: readonly (readonly [value: T, words: string])[]
  readonly onChoose: (value: T) => void
  readonly class?: string
}

/** One of a few words. */
export function Choice<T extends string>({
  value,
  options,
  onChoose,
  class: more = '',
  ...rest
}: ChoiceProps<T>) {
  return (
    <select
      class={`input ${more}`.trim()}
      {...rest}
      value={value}
      onChange={event => {
        const chosen = options.find(([each]) => each === event.currentTarget.value)
        if (chosen !== undefined) onChoose(chosen[0])
      }}
    >
      {options.map(([each, words]) => (
        <option key={each} value={each}>
          {words}
        </option>
      ))}
    </select>
  )
}
