import { THEMES, type Theme, theme } from './theme.js'

const WORDS: Readonly<Record<Theme, string>> = {
  system: 'System',
  dark: 'Dark',
  light: 'Light',
}

export function ThemeChoice() {
  return (
    <select
      class="input theme-choice"
      aria-label="Theme"
      value={theme.value}
      onChange={event => {
        const { value } = event.currentTarget
        theme.value = THEMES.find(each => each === value) ?? 'system'
      }}
    >
      {THEMES.map(each => (
        <option key={each} value={each}>
          {WORDS[each]}
        </option>
      ))}
    </select>
  )
}
