-- A song that the catalogue does not have leaves its columns NULL.
SELECT listens.name, listens.timestamp, listens.song,
       artists, duration_ms, album_name, album_release_date, danceability, energy, key, loudness, mode,
       speechiness, acousticness, instrumentalness, liveness, valence, tempo
FROM listens LEFT JOIN catalogue ON listens.song = catalogue.name
