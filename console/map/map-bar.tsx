import type { Signal } from '@preact/signals'
import { Button } from '../parts/button.js'
import { visibleText } from '../parts/visible-text.js'
import { timeWords } from '../parts/words.js'
import { type MapModel, WINDOWS } from './map-model.js'

export interface MapBarProps {
  readonly model: MapModel
  readonly isTable: Signal<boolean>
}

/** What can be chosen of the map, and what its numbers are. */
export function MapBar({ model, isTable }: MapBarProps) {
  const { at, window, pairs, clustering } = model.picture.value
  const isPaused = model.isPaused.value
  return (
    <div class="map-bar">
      <div class="map-tools">
        <label class="map-window">
          The last{' '}
          <select
            class="input"
            value={String(window)}
            onChange={event => void model.choose(Number(event.currentTarget.value))}
          >
            {WINDOWS.map(each => (
              <option key={each.typed} value={String(each.window)}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
        <Button onPress={() => model.pause(!isPaused)}>{isPaused ? 'Go on' : 'Pause'}</Button>
        <Button
          onPress={() => {
            isTable.value = !isTable.value
          }}
        >
          {isTable.value ? 'As a map' : 'As a table'}
        </Button>
        {[...model.opened.value].map(id => (
          <Button key={id} onPress={() => model.toggle(id)}>
            Draw {visibleText(id.replace(/^(?:prefix|group) /, ''))} as one again
          </Button>
        ))}
      </div>
      <p class="map-quiet">
        {isPaused ? `Paused at ${timeWords(at)} UTC. ` : ''}
        {clustering.nodeOf.size} principals, {pairs.length} pairs, by tickets that the KDC granted, which are
        not calls.
      </p>
    </div>
  )
}
