package accounts

import (
	"context"
	"strings"
	"sync"
)

// Memory is a Store in memory. The zero Memory is empty and ready.
type Memory struct {
	mu    sync.Mutex // guards the rest
	users map[string]User
}

// Find implements Store.
func (m *Memory) Find(_ context.Context, k Key) (User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k.ID != "" {
		if u, ok := m.users[k.ID]; ok {
			return u.clone(), nil
		}
		return User{}, ErrNoUser
	}
	for _, u := range m.users {
		if u.is(k) {
			return u.clone(), nil
		}
	}
	return User{}, ErrNoUser
}

func (u *User) is(k Key) bool {
	if k.Username != "" {
		return strings.EqualFold(u.Username, k.Username)
	}
	for _, e := range u.Emails {
		if k.Email != "" && strings.EqualFold(e.Address, k.Email) {
			return true
		}
	}
	_, ok := u.token(k.Token)
	return ok && k.Token != ""
}

// Insert implements Store.
func (m *Memory) Insert(_ context.Context, u User) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.users[u.ID]; ok || m.taken(u) {
		return ErrTaken
	}
	if m.users == nil {
		m.users = make(map[string]User)
	}
	m.users[u.ID] = u.clone()
	return nil
}

// Update implements Store.
func (m *Memory) Update(_ context.Context, id string, change func(*User) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.users[id]
	if !ok {
		return ErrNoUser
	}
	u = u.clone()
	if err := change(&u); err != nil {
		return err
	}
	u.ID = id
	if m.taken(u) {
		return ErrTaken
	}
	m.users[id] = u.clone()
	return nil
}

// Remove deletes an account. Call Accounts.Refresh afterwards.
func (m *Memory) Remove(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.users, id)
}

// taken reports whether another account has a name of u.
func (m *Memory) taken(u User) bool {
	for _, o := range m.users {
		if o.ID == u.ID {
			continue
		}
		if u.Username != "" && o.is(Key{Username: u.Username}) {
			return true
		}
		for _, e := range u.Emails {
			if o.is(Key{Email: e.Address}) {
				return true
			}
		}
	}
	return false
}
